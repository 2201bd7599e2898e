"""What a model made of a question already, as it travels to where the documents are."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from tandem.domain.filters import RANGE_FIELDS, Condition, FilterField
from tandem.domain.query import Query, Wording
from tandem.http.wire.text import Ours, ShortText

_Weight = Annotated[FiniteFloat, Field(gt=0, le=10)]
_Line = Annotated[str, Field(max_length=1000)]
_Name = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


class WordedQuery(Ours):
    """A text to search for beside the question."""

    text: str = Field(min_length=1, max_length=2000)
    kind: Literal["expansion", "hypothetical"] = "expansion"
    weight: _Weight = 0.25
    dense: bool = True
    sparse: bool = True


class WordedCondition(Ours):
    """A condition that the question seems to name; it holds when the collection knows its values."""

    field: FilterField
    any_of: list[ShortText] = Field(default=[], max_length=20)
    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None

    def condition(self) -> Condition | None:
        """The domain's; None when it says nothing that can be compared."""
        ranged = self.field in RANGE_FIELDS
        if ranged == bool(self.any_of) or (ranged and self.at_least is None and self.at_most is None):
            return None
        return Condition(self.field, tuple(self.any_of), self.at_least, self.at_most)


class Worded(Ours):
    """A model's part of a question's plan; with it nobody is asked for another."""

    queries: list[WordedQuery] = Field(default=[], max_length=8)
    filters: list[WordedCondition] = Field(default=[], max_length=16)
    told: list[_Line] = Field(default=[], max_length=32)
    degraded: list[_Name] = Field(default=[], max_length=16)
    timings_s: dict[_Name, Annotated[FiniteFloat, Field(ge=0)]] = Field(default={}, max_length=16)

    def wording(self) -> Wording:
        """The domain's."""
        found = [each.condition() for each in self.filters]
        return Wording(
            queries=tuple(Query(each.text, each.kind, each.weight, each.dense, each.sparse) for each in self.queries),
            filters=tuple(condition for condition in found if condition is not None),
            told=tuple(self.told),
            degraded=tuple(self.degraded),
            timings_s=dict(self.timings_s),
        )
