"""What a question is searched for with: its own words, other words for it, and the conditions it names."""

from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.filters import Filter

# `question`: as asked (standing alone); `expansion`: the same in other words; `hypothetical`: a passage that would answer it.
QueryKind = Literal["question", "expansion", "hypothetical"]


@dataclass(frozen=True, slots=True)
class Query:
    """One text to search for. `weight` counts its ranks in the fusion; the legs say what it is searched by."""

    text: str
    kind: QueryKind = "question"
    weight: float = 1.0
    dense: bool = True
    sparse: bool = True


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """The first query is the question itself, which also judges what the others found.

    `filters` come from the question (self-query) and hold beside the request's own. `phrases` were quoted: a passage must
    hold each of them, whatever its case. `told` says for `explain` which rule or model added what.
    """

    queries: tuple[Query, ...]
    filters: Filter = ()
    phrases: tuple[str, ...] = ()
    told: tuple[str, ...] = field(default=())

    @property
    def question(self) -> str:
        """The standalone question."""
        return self.queries[0].text
