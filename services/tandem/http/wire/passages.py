"""Passages, traces and retrievals as they are answered."""

from pydantic import Field

from tandem.domain.passage import Passage, Retrieval, Trace
from tandem.http.wire.text import Out, absent, seconds


class WireScores(Out):
    """Each stage's score, null where the stage did not see the passage."""

    dense: float | None
    sparse: float | None
    fused: float | None
    rerank: float | None
    relevance: float | None


class WirePassage(Out):
    """One passage; `start` and `end` are character offsets in the document's text."""

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


class WireDropped(Out):
    """A passage that was recalled and left out; `by` names the one it repeats."""

    passage: WirePassage
    reason: str
    by: str | None


class WireTrace(Out):
    """The whole way from question to passages."""

    queries: list[str]
    dense: list[WirePassage]
    sparse: list[WirePassage]
    fused: list[WirePassage]
    reranked: list[WirePassage]
    dropped: list[WireDropped]
    timings_s: dict[str, float]
    reranker: str | None
    threshold: float | None


class WireRetrieval(Out):
    """Answer of `POST /v1/retrieve`."""

    passages: list[WirePassage]
    relevance: float
    degraded: list[str]
    explain: WireTrace | None = Field(default=None, exclude_if=absent)


def wire_scores(passage: Passage) -> WireScores:
    """A passage's scores."""
    found = passage.scores
    return WireScores(
        dense=found.dense, sparse=found.sparse, fused=found.fused, rerank=found.rerank, relevance=found.relevance
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
        scores=wire_scores(passage),
    )


def wire_trace(trace: Trace) -> WireTrace:
    """A trace."""
    return WireTrace(
        queries=list(trace.queries),
        dense=[wire_passage(p) for p in trace.dense],
        sparse=[wire_passage(p) for p in trace.sparse],
        fused=[wire_passage(p) for p in trace.fused],
        reranked=[wire_passage(p) for p in trace.reranked],
        dropped=[WireDropped(passage=wire_passage(d.passage), reason=d.reason, by=d.by) for d in trace.dropped],
        timings_s=seconds(trace.timings_s),
        reranker=trace.reranker,
        threshold=trace.threshold,
    )


def wire_retrieval(found: Retrieval) -> WireRetrieval:
    """A retrieval."""
    return WireRetrieval(
        passages=[wire_passage(p) for p in found.passages],
        relevance=found.relevance,
        degraded=list(found.degraded),
        explain=None if found.trace is None else wire_trace(found.trace),
    )
