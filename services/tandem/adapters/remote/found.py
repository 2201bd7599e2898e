"""What another Tandem found, and how it found it, read back into the domain."""

from tandem.adapters.remote.wire import In
from tandem.domain.document import Chunk
from tandem.domain.filters import Condition, FilterField
from tandem.domain.passage import (
    Dropped,
    DropReason,
    Legs,
    Passage,
    Provenance,
    Retrieval,
    Scores,
    StageTime,
    Trace,
)
from tandem.domain.query import Query, QueryKind, QueryPlan


class InScores(In):
    """A passage's scores."""

    dense: float | None = None
    sparse: float | None = None
    fused: float | None = None
    rerank: float | None = None
    relevance: float | None = None
    marginal: float | None = None


class InPart(In):
    """A chunk of a widened passage."""

    ordinal: int
    title_path: tuple[str, ...]
    start: int
    end: int
    tokens: int
    page: int | None = None


class InPassage(In):
    """A passage."""

    document_id: str
    ordinal: int
    title: str
    source: str
    title_path: tuple[str, ...]
    text: str
    start: int
    end: int
    tokens: int
    page: int | None = None
    scores: InScores
    flags: tuple[str, ...] = ()
    parts: tuple[InPart, ...] = ()

    def passage(self) -> Passage:
        """The domain's."""
        return Passage(
            chunk=Chunk(
                self.document_id, self.ordinal, self.text, self.title_path, self.start, self.end, self.tokens, self.page
            ),
            title=self.title,
            source=self.source,
            scores=Scores(**dict(self.scores)),
            flags=self.flags,
            parts=tuple(self._part(each) for each in self.parts),
        )

    def _part(self, part: InPart) -> Chunk:
        text = self.text[part.start - self.start : part.end - self.start]
        return Chunk(
            self.document_id, part.ordinal, text, part.title_path, part.start, part.end, part.tokens, part.page
        )


class InDropped(In):
    """A passage that was left out."""

    passage: InPassage
    reason: DropReason
    by: str | None = None


class InQuery(In):
    """A text that was searched for."""

    text: str
    kind: QueryKind
    weight: float
    dense: bool
    sparse: bool


class InCondition(In):
    """A condition read out of the question."""

    field: FilterField
    any_of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None


class InPlan(In):
    """What the question was searched with."""

    queries: tuple[InQuery, ...]
    filters: tuple[InCondition, ...] = ()
    phrases: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    asked: str = ""

    def plan(self) -> QueryPlan:
        """The domain's."""
        return QueryPlan(
            queries=tuple(Query(**dict(each)) for each in self.queries),
            filters=tuple(Condition(**dict(each)) for each in self.filters),
            phrases=self.phrases,
            told=self.told,
            asked=self.asked,
        )


class InLegs(In):
    """What a further query found."""

    query: str
    dense: tuple[InPassage, ...]
    sparse: tuple[InPassage, ...]


class InTrace(In):
    """A trace."""

    queries: tuple[str, ...]
    dense: tuple[InPassage, ...]
    sparse: tuple[InPassage, ...]
    fused: tuple[InPassage, ...]
    reranked: tuple[InPassage, ...]
    dropped: tuple[InDropped, ...]
    timings_s: dict[str, float]
    reranker: str | None = None
    threshold: float | None = None
    plan: InPlan | None = None
    others: tuple[InLegs, ...] = ()

    def trace(self) -> Trace:
        """The domain's."""
        return Trace(
            queries=self.queries,
            dense=_passages(self.dense),
            sparse=_passages(self.sparse),
            fused=_passages(self.fused),
            reranked=_passages(self.reranked),
            dropped=tuple(Dropped(d.passage.passage(), d.reason, d.by) for d in self.dropped),
            timings_s=self.timings_s,
            reranker=self.reranker,
            threshold=self.threshold,
            plan=None if self.plan is None else self.plan.plan(),
            others=tuple(Legs(each.query, _passages(each.dense), _passages(each.sparse)) for each in self.others),
        )


class InStage(In):
    """One step."""

    name: str
    began_s: float
    took_s: float


class InProvenance(In):
    """What it was made with."""

    queries: tuple[str, ...] = ()
    embedder: str = ""
    sparse: str = ""
    reranker: str | None = None
    stages: tuple[InStage, ...] = ()

    def provenance(self) -> Provenance:
        """The domain's."""
        stages = tuple(StageTime(each.name, each.began_s, each.took_s) for each in self.stages)
        return Provenance(self.queries, self.embedder, self.sparse, self.reranker, stages)


class InRetrieval(In):
    """Answer of `POST /v1/retrieve`."""

    collection: str = ""
    passages: tuple[InPassage, ...]
    relevance: float
    degraded: tuple[str, ...] = ()
    provenance: InProvenance = InProvenance()
    explain: InTrace | None = None

    def retrieval(self) -> Retrieval:
        """The domain's."""
        trace = None if self.explain is None else self.explain.trace()
        return Retrieval(
            _passages(self.passages),
            self.relevance,
            self.degraded,
            trace,
            self.collection,
            provenance=self.provenance.provenance(),
        )


def _passages(found: tuple[InPassage, ...]) -> tuple[Passage, ...]:
    return tuple(p.passage() for p in found)
