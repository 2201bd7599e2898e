"""A retriever and an ingestor that are counted."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tandem.domain.context import RequestContext
from tandem.domain.document import CollectionInfo, DocumentPage, IngestOutcome, RawDocument, StoredDocument
from tandem.domain.errors import TandemError
from tandem.domain.passage import Retrieval
from tandem.domain.question import RetrievalOptions
from tandem.domain.steps import Step
from tandem.domain.syncing import Failure, FailurePage, MarkPage, StreamPosition
from tandem.observe.metrics import Metrics
from tandem.observe.versions import MeasuredVersions
from tandem.pipeline.untraced import UNTRACED
from tandem.ports.clock import Clock
from tandem.ports.ingestor import Ingestor
from tandem.ports.retriever import Retriever
from tandem.ports.tracer import Tracer
from tandem.ports.versions import Versions
from tandem.retrieval.plan import STAGES, WORDS


class MeasuredRetriever:
    """`ports/retriever.py` around another one; changes nothing but the metrics."""

    def __init__(self, inner: Retriever, metrics: Metrics, now_s: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._metrics = metrics
        self._now_s = now_s

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """The inner retriever's."""
        began = self._now_s()
        context.progress.stage = "retrieval"
        try:
            with Step("retrieval") as step:
                found = await self._inner.retrieve(question, options, context)
                step.tell("tandem.collection", found.collection)
                step.tell("tandem.passages", len(found.passages))
            self._told(found)
            return found
        except TandemError as error:
            self._metrics.retrieval_failures.labels(error.code).inc()
            raise
        finally:
            self._metrics.retrieval_seconds.observe(self._now_s() - began, self._metrics.example())

    def _told(self, found: Retrieval) -> None:
        metrics = self._metrics
        metrics.suspicious.inc(found.suspicious)
        metrics.retrieval_relevance.observe(found.relevance)
        metrics.retrieval_passages.observe(len(found.passages))
        for stage in found.provenance.stages:
            # A peer of another version may know stages that are not known here: labels are bounded all the same.
            name = stage.name if stage.name in STAGES else "other"
            metrics.child(metrics.retrieval_stage_seconds, name).observe(stage.took_s)


class CountedDegradation:
    """`ports/retriever.py` around another one; counts what was left out."""

    def __init__(self, inner: Retriever, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """The inner retriever's."""
        found = await self._inner.retrieve(question, options, context)
        for word in found.degraded:
            # A peer of another version may tell a word that is not known here: labels are bounded all the same.
            self._metrics.degraded.labels(word if word in WORDS else "other").inc()
        return found


class MeasuredIngestor:
    """`ports/ingestor.py` around another one; changes nothing but the metrics."""

    def __init__(self, inner: Ingestor, metrics: Metrics, clock: Clock, tracer: Tracer = UNTRACED) -> None:
        self._inner = inner
        self._metrics = metrics
        self._clock = clock
        self._tracer = tracer
        self._versions = MeasuredVersions(inner.versions, metrics)

    @property
    def versions(self) -> Versions:
        """The inner ingestor's, counted."""
        return self._versions

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        """The inner ingestor's, counted by status. What changed the collection is searchable from now on.

        A document that no request brought has a trace of its own.
        """
        began_s = self._clock.epoch_s()
        try:
            with self._tracer.background("ingest", {"tandem.collection": collection}) as span:
                if context.span is None and span is not None:
                    context = replace(context, span=span)
                outcome = await self._inner.put(collection, document, context)
        except TandemError as error:
            self._metrics.documents.labels(error.code).inc()
            raise
        self._metrics.documents.labels(outcome.status).inc()
        if outcome.status in {"added", "updated"}:
            self._metrics.ingest_freshness.observe(max(0.0, self._clock.epoch_s() - (document.changed_at or began_s)))
        return outcome

    async def delete(
        self, collection: str, document_id: str, context: RequestContext, position: StreamPosition | None = None
    ) -> bool:
        """The inner ingestor's."""
        return await self._inner.delete(collection, document_id, context, position)

    async def marks(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> MarkPage:
        """The inner ingestor's."""
        return await self._inner.marks(collection, context, limit=limit, after=after)

    async def note_failure(
        self,
        collection: str,
        failure: Failure,
        context: RequestContext,
        position: StreamPosition | None = None,
    ) -> None:
        """The inner ingestor's, counted."""
        self._metrics.documents.labels("unread").inc()
        await self._inner.note_failure(collection, failure, context, position)

    async def failures(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> FailurePage:
        """The inner ingestor's."""
        return await self._inner.failures(collection, context, limit=limit, after=after)

    async def forget_failure(self, collection: str, document_id: str, context: RequestContext) -> bool:
        """The inner ingestor's."""
        return await self._inner.forget_failure(collection, document_id, context)

    async def positions(
        self, collection: str, stream: str, partitions: Sequence[int], context: RequestContext
    ) -> Mapping[int, int]:
        """The inner ingestor's."""
        return await self._inner.positions(collection, stream, partitions, context)

    async def document(self, collection: str, document_id: str, context: RequestContext) -> StoredDocument:
        """The inner ingestor's."""
        return await self._inner.document(collection, document_id, context)

    async def documents(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> DocumentPage:
        """The inner ingestor's."""
        return await self._inner.documents(collection, context, limit=limit, after=after)

    async def collections(self, context: RequestContext) -> list[CollectionInfo]:
        """The inner ingestor's."""
        return await self._inner.collections(context)

    async def drop_collection(self, collection: str, context: RequestContext) -> None:
        """The inner ingestor's."""
        await self._inner.drop_collection(collection, context)

    async def settle(self, collection: str) -> None:
        """The inner ingestor's."""
        await self._inner.settle(collection)
