"""What a question is searched for with: its own words, other words for it, and the conditions it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
class Wording:
    """What a model made of a question before anything was searched; it travels with the request to where the store is.

    `queries` are searched for beside the question. `filters` are proposed: they hold only when the collection knows their
    values. `told`, `degraded` and `timings_s` go on into the retrieval's own.
    """

    queries: tuple[Query, ...] = ()
    filters: Filter = ()
    told: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """The first query is the question itself, which also judges what the others found.

    `filters` come from the question (self-query) and hold beside the request's own. `phrases` were quoted: a passage must
    hold each of them, whatever its case. `told` says for `explain` which rule or model added what. `asked` is the question
    with the words that became conditions; the first query is without them.
    """

    queries: tuple[Query, ...]
    filters: Filter = ()
    phrases: tuple[str, ...] = ()
    told: tuple[str, ...] = field(default=())
    asked: str = ""

    @property
    def question(self) -> str:
        """The standalone question, as it is searched for."""
        return self.queries[0].text

    @property
    def inferred(self) -> bool:
        """True when the question brought conditions of its own, which may be wrong."""
        return bool(self.filters or self.phrases)

    def relaxed(self) -> "QueryPlan":
        """The same without the inferred conditions, their words back in the question."""
        whole = replace(self.queries[0], text=self.asked or self.question)
        return replace(self, queries=(whole, *self.queries[1:]), filters=(), phrases=())

    def by(self, *, dense: bool, sparse: bool) -> "QueryPlan":
        """The same by these legs only, without the other queries that have none left."""
        first, *others = [
            replace(query, dense=query.dense and dense, sparse=query.sparse and sparse) for query in self.queries
        ]
        return replace(self, queries=(first, *(query for query in others if query.dense or query.sparse)))
