"""Passages, traces and retrievals as they are answered."""

from collections.abc import Iterable

from pydantic import Field

from tandem.domain.document import Chunk
from tandem.domain.filters import Condition
from tandem.domain.passage import Passage, Provenance, Retrieval, Scores, Trace
from tandem.domain.query import Query, QueryKind, QueryPlan
from tandem.http.wire.text import Out, absent, seconds


def _none(found: list[object]) -> bool:
    return not found


class WireScores(Out):
    """Each stage's score, null where the stage did not see the passage."""

    dense: float | None
    sparse: float | None
    fused: float | None
    rerank: float | None
    relevance: float | None
    marginal: float | None = Field(default=None, exclude_if=absent)


class WirePart(Out):
    """One chunk of a passage that neighbours were added to; its text is the slice from `start` to `end`."""

    ordinal: int
    title_path: list[str]
    start: int
    end: int
    tokens: int
    page: int | None


class WirePassage(Out):
    """One passage; `start` and `end` are character offsets in the document's text.

    `flags` say what is suspicious about it; `parts` are the chunks it is made of when neighbours were added.
    """

    id: str
    document_id: str
    ordinal: int
    title: str
    source: str
    title_path: list[str]
    text: str
    start: int
    end: int
    tokens: int
    page: int | None
    scores: WireScores
    flags: list[str] = Field(default_factory=list, exclude_if=_none)
    parts: list[WirePart] = Field(default_factory=list, exclude_if=_none)


class WireDropped(Out):
    """A passage that was recalled and left out; `by` names the one it repeats or became part of."""

    passage: WirePassage
    reason: str
    by: str | None


class WireQuery(Out):
    """A text that was searched for, by which legs, and how much its ranks counted."""

    text: str
    kind: QueryKind
    weight: float
    dense: bool
    sparse: bool


class WireCondition(Out):
    """A condition read out of the question: one of these values, or inclusive bounds."""

    field: str
    any_of: list[str]
    at_least: float | None
    at_most: float | None


class WirePlan(Out):
    """What the question was searched with, and what said so. `asked` has the words that became conditions."""

    queries: list[WireQuery]
    filters: list[WireCondition]
    phrases: list[str]
    told: list[str]
    asked: str


class WireLegs(Out):
    """What a further query found by meaning and by words."""

    query: str
    dense: list[WirePassage]
    sparse: list[WirePassage]


class WireTrace(Out):
    """The whole way from question to passages; `dense` and `sparse` are the question's own legs."""

    queries: list[str]
    dense: list[WirePassage]
    sparse: list[WirePassage]
    fused: list[WirePassage]
    reranked: list[WirePassage]
    dropped: list[WireDropped]
    timings_s: dict[str, float]
    reranker: str | None
    threshold: float | None
    plan: WirePlan | None = Field(default=None, exclude_if=absent)
    others: list[WireLegs] = Field(default_factory=list, exclude_if=_none)


class WireStage(Out):
    """One step: seconds since the retrieval began, and how long it took."""

    name: str
    began_s: float
    took_s: float


class WireProvenance(Out):
    """What it was made with. `reranker` is null where the passages are as the search ordered them."""

    queries: list[str]
    embedder: str
    sparse: str
    reranker: str | None
    stages: list[WireStage]


class WireRetrieval(Out):
    """Answer of `POST /v1/retrieve`. `collection` is the version that was searched."""

    collection: str
    passages: list[WirePassage]
    relevance: float
    degraded: list[str]
    provenance: WireProvenance
    explain: WireTrace | None = Field(default=None, exclude_if=absent)


def wire_scores(found: Scores) -> WireScores:
    """A passage's scores."""
    return WireScores(
        dense=found.dense,
        sparse=found.sparse,
        fused=found.fused,
        rerank=found.rerank,
        relevance=found.relevance,
        marginal=found.marginal,
    )


def wire_passage(passage: Passage) -> WirePassage:
    """A passage."""
    chunk = passage.chunk
    return WirePassage(
        id=chunk.id,
        document_id=chunk.document_id,
        ordinal=chunk.ordinal,
        title=passage.title,
        source=passage.source,
        title_path=list(chunk.title_path),
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        tokens=chunk.tokens,
        page=chunk.page,
        scores=wire_scores(passage.scores),
        flags=list(passage.flags),
        parts=[_part(each) for each in passage.parts],
    )


def _part(chunk: Chunk) -> WirePart:
    return WirePart(
        ordinal=chunk.ordinal,
        title_path=list(chunk.title_path),
        start=chunk.start,
        end=chunk.end,
        tokens=chunk.tokens,
        page=chunk.page,
    )


def _passages(found: Iterable[Passage]) -> list[WirePassage]:
    return [wire_passage(each) for each in found]


def _plan(plan: QueryPlan) -> WirePlan:
    return WirePlan(
        queries=[_query(each) for each in plan.queries],
        filters=[_condition(each) for each in plan.filters],
        phrases=list(plan.phrases),
        told=list(plan.told),
        asked=plan.asked,
    )


def _query(query: Query) -> WireQuery:
    return WireQuery(text=query.text, kind=query.kind, weight=query.weight, dense=query.dense, sparse=query.sparse)


def _condition(condition: Condition) -> WireCondition:
    return WireCondition(
        field=condition.field,
        any_of=list(condition.any_of),
        at_least=condition.at_least,
        at_most=condition.at_most,
    )


def wire_trace(trace: Trace) -> WireTrace:
    """A trace."""
    return WireTrace(
        queries=list(trace.queries),
        dense=_passages(trace.dense),
        sparse=_passages(trace.sparse),
        fused=_passages(trace.fused),
        reranked=_passages(trace.reranked),
        dropped=[WireDropped(passage=wire_passage(d.passage), reason=d.reason, by=d.by) for d in trace.dropped],
        timings_s=seconds(trace.timings_s),
        reranker=trace.reranker,
        threshold=trace.threshold,
        plan=None if trace.plan is None else _plan(trace.plan),
        others=[
            WireLegs(query=each.query, dense=_passages(each.dense), sparse=_passages(each.sparse))
            for each in trace.others
        ],
    )


def wire_retrieval(found: Retrieval) -> WireRetrieval:
    """A retrieval."""
    return WireRetrieval(
        collection=found.collection,
        passages=_passages(found.passages),
        relevance=found.relevance,
        degraded=list(found.degraded),
        provenance=_provenance(found.provenance),
        explain=None if found.trace is None else wire_trace(found.trace),
    )


def _provenance(made: Provenance) -> WireProvenance:
    return WireProvenance(
        queries=list(made.queries),
        embedder=made.embedder,
        sparse=made.sparse,
        reranker=made.reranker,
        stages=[
            WireStage(name=each.name, began_s=round(each.began_s, 6), took_s=round(each.took_s, 6))
            for each in made.stages
        ],
    )
