"""Documents and rounds that no request brought have traces of their own."""

from collections.abc import Sequence

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.ingestor import ScriptedIngestor
from tandem.domain.context import RequestContext
from tandem.domain.document import IngestOutcome, RawDocument
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.span import Span, SpanContext
from tandem.observe.features import MeasuredIngestor
from tandem.observe.metrics import Metrics
from tandem.observe.rounds import MeasuredRounds
from tandem.observe.tracing import Keeping, Tracing

DOCUMENT = RawDocument("a", b"text", "a")


class Kept:
    """Spans, as they were offered."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def offer(self, spans: Sequence[Span]) -> None:
        self.spans += spans


class Watched(ScriptedIngestor):
    """Remembers for whom a document was put."""

    span: SpanContext | None = None

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        self.span = context.span
        return await super().put(collection, document, context)


async def test_a_workers_document_is_a_trace_that_goes_on_at_the_retriever() -> None:
    kept, clock, inner = Kept(), ScriptedClock(), Watched()
    tracing = Tracing(kept, clock, Keeping())
    await MeasuredIngestor(inner, Metrics("1", "worker"), clock, tracing).put("docs", DOCUMENT, RequestContext("sync"))
    [span] = kept.spans
    assert (span.name, span.kind, span.attributes) == ("ingest", "internal", {"tandem.collection": "docs"})
    assert inner.span == span.context
    assert span.context.parent_id is None


async def test_a_requests_document_stays_in_the_requests_trace() -> None:
    kept, clock, inner = Kept(), ScriptedClock(), Watched()
    span = SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    measured = MeasuredIngestor(inner, Metrics("1", "all"), clock, Tracing(kept, clock, Keeping(ratio=0)))
    await measured.put("docs", DOCUMENT, RequestContext("r", span=span))
    assert inner.span == span


@pytest.mark.parametrize(("outcome", "error"), [("complete", None), ("failed", "failed")])
def test_a_round_is_one_span_as_long_as_it_took(outcome: str, error: str | None) -> None:
    kept, clock = Kept(), ScriptedClock()
    MeasuredRounds(Metrics("1", "worker"), clock, Tracing(kept, clock, Keeping())).ended("wiki", outcome, 90.0)
    [span] = kept.spans
    assert (span.name, span.ended_at - span.began_at, span.error) == ("synchronise", 90.0, error)
    assert span.attributes == {"tandem.source": "wiki", "tandem.outcome": outcome}


def test_a_round_that_nobody_samples_is_kept_when_it_failed() -> None:
    kept, clock = Kept(), ScriptedClock()
    rounds = MeasuredRounds(Metrics("1", "worker"), clock, Tracing(kept, clock, Keeping(ratio=0, slow_s=100)))
    rounds.ended("wiki", "complete", 90.0)
    assert kept.spans == []
    rounds.failed("wiki", UpstreamUnavailable("away"), 1.0)
    rounds.ended("wiki", "failed", 1.0)
    assert [span.error for span in kept.spans] == ["failed"]
