"""Conditions on document metadata; all must hold."""

from dataclasses import dataclass
from typing import Literal, get_args

# Who may see a document is no field that anybody may name.
FilterField = Literal[
    "document_id",
    "source",
    "title",
    "media_type",
    "language",
    "tags",
    "author",
    "path",
    "page",
    "created_at",
    "modified_at",
]
FILTER_FIELDS: tuple[str, ...] = get_args(FilterField)
# Compared by bounds; all others by equality.
RANGE_FIELDS: frozenset[str] = frozenset({"page", "created_at", "modified_at"})


@dataclass(frozen=True, slots=True)
class Condition:
    """`any_of`: the field equals one of these; of `tags` any; of `path` also what lies below one that ends in a slash.

    `at_least`/`at_most`: inclusive bounds of `RANGE_FIELDS` (epoch seconds; pages from 1).
    """

    field: FilterField
    any_of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None


Filter = tuple[Condition, ...]
