"""Conditions on document metadata; all must hold."""

from dataclasses import dataclass
from typing import Literal, get_args

FilterField = Literal["document_id", "source", "title", "media_type", "language", "tags", "modified_at"]
FILTER_FIELDS: tuple[str, ...] = get_args(FilterField)


@dataclass(frozen=True, slots=True)
class Condition:
    """`any_of`: the field equals one of these. `at_least`/`at_most`: inclusive bounds, `modified_at` only (epoch seconds)."""

    field: FilterField
    any_of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None


Filter = tuple[Condition, ...]
