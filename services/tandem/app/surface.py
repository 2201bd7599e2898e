"""What each target serves: its parts behind routers, in one web application."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.types import ASGIApp

from tandem.admission.identity import Identity
from tandem.admission.quotas import Quotas
from tandem.app import caching
from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.app.templates import template_sources
from tandem.app.tracing import metrics_out, named_tenants, traces_to, tracing
from tandem.app.wording import rewording
from tandem.http.lifecycle import Lifecycle
from tandem.http.middleware.shedding import Refusal
from tandem.http.predictor.app import predictor_app
from tandem.http.routers.chat import chat_router
from tandem.http.routers.collections import collections_router
from tandem.http.routers.documents import documents_router
from tandem.http.routers.embeddings import embeddings_router
from tandem.http.routers.hooks import ROOT as HOOKS
from tandem.http.routers.models import models_router
from tandem.http.routers.operations import operations_router
from tandem.http.routers.peer_feedback import peer_feedback_router
from tandem.http.routers.peer_receipts import peer_receipts_router
from tandem.http.routers.receipts import receipts_router
from tandem.http.routers.retrieval import retrieval_router
from tandem.http.routers.syncing import syncing_router
from tandem.http.routers.versions import versions_router
from tandem.http.ui.router import ui_router
from tandem.http.web import web_app
from tandem.observe.connections import ConnectionMetrics
from tandem.observe.features import CountedDegradation, MeasuredIngestor, MeasuredRetriever
from tandem.observe.logs import count_lines
from tandem.observe.metrics import Metrics
from tandem.pipeline.answering import AnswerDefaults, Answering
from tandem.pipeline.dispatching import Dispatch
from tandem.pipeline.grounding import Grounding
from tandem.pipeline.releases.choosing import Chooser
from tandem.pipeline.reworded import Reworded
from tandem.ports.embedder import Embedder
from tandem.ports.engine import Engine
from tandem.ports.ingestor import Ingestor
from tandem.ports.monitor import Monitor
from tandem.ports.retriever import Retriever
from tandem.ports.state import Stores
from tandem.ports.tracer import Tracer
from tandem.prompting.templates import Templates

if TYPE_CHECKING:
    from tandem.app.answerers import Answerers

OpenEmbedder = Callable[[], Awaitable[Embedder]]
VERSION = metadata.version("tandem-rag")
# The page is public: it asks for a key itself when the API wants one.
_PAGE = ("/", "/ui/", "/favicon.ico")
_OPEN = (*_PAGE, HOOKS)


@dataclass(frozen=True, slots=True)
class Surface:
    """One process's settings, state and metrics, from which its web application is made."""

    settings: Settings
    lifecycle: Lifecycle
    target: str
    metrics: Metrics
    tracer: Tracer

    def answers(
        self, behind: "Answerers", identity: Identity, embedder: OpenEmbedder, more: Sequence[APIRouter]
    ) -> ASGIApp:
        """Page, OpenAI's API, retrieval and documents, receipts, and `more`."""
        metrics, clock, dispatch = self.metrics, SystemClock(), behind.dispatch
        finder = MeasuredRetriever(behind.retriever, metrics)
        reworded = Reworded(finder, rewording(self.settings, clock), dispatch, behind.quotas)
        collection = self.settings.retrieval.collection
        return self._web(
            metrics,
            [
                chat_router(
                    behind.answering,
                    collection=collection,
                    clock=clock,
                    meter=metrics,
                    keep_alive_s=self.settings.server.stream_keep_alive_s,
                ),
                models_router(dispatch.models, created=int(clock.epoch_s())),
                embeddings_router(embedder, clock=clock, quotas=behind.quotas),
                *self._features(
                    CountedDegradation(reworded, metrics),
                    MeasuredIngestor(behind.ingestor, metrics, clock, self.tracer),
                    clock,
                ),
                receipts_router(behind.keeping.reading, clock=clock),
                *behind.routers,
                *more,
                ui_router(),
            ],
            identity,
            behind.quotas,
            dispatch.refusal,
        )

    def answering(
        self,
        retriever: Retriever,
        dispatch: Dispatch,
        quotas: Quotas | None = None,
        monitor: Monitor | None = None,
        releases: Chooser | None = None,
        *,
        remembers: bool = True,
    ) -> Answering:
        """The flow from question to answer; unless it `remembers`, no answer is kept for who asks the same."""
        metrics, clock, wanted = self.metrics, SystemClock(), self.settings.retrieval
        finder = MeasuredRetriever(retriever, metrics)
        grounding = Grounding(finder, clock, share=wanted.budget_share, on_failure=wanted.on_failure)
        templates = Templates(template_sources(self.settings.prompts_dir))
        return Answering(
            CountedDegradation(grounding, metrics),
            dispatch,
            templates,
            clock,
            answer_defaults(self.settings, templates),
            quotas,
            caching.answers(self.settings.cache, metrics) if remembers else None,
            rewording(self.settings, clock),
            monitor,
            releases,
        )

    def retrieval(
        self,
        retriever: Retriever,
        ingestor: Ingestor,
        identity: Identity,
        embedder: OpenEmbedder,
        stores: Stores,
    ) -> ASGIApp:
        """Retrieval and documents. Quotas are the gateways' business: here a request would count twice."""
        metrics, clock = self.metrics, SystemClock()
        finder, documents = (
            MeasuredRetriever(retriever, metrics),
            MeasuredIngestor(ingestor, metrics, clock, self.tracer),
        )
        features = self._features(CountedDegradation(finder, metrics), documents, clock)
        kept = [peer_receipts_router(stores.receipts), peer_feedback_router(stores.feedback, stores.forgotten)]
        return self._web(metrics, [*features, embeddings_router(embedder, clock=clock), *kept], identity)

    def operations(self) -> ASGIApp:
        """Probes and metrics, for a process that nobody sends requests to. None of them needs a key."""
        return self._web(self.metrics, [], Identity())

    def predictions(self, engine: Engine) -> ASGIApp:
        """The model behind TGI's and OpenAI's protocols."""
        metrics, key = self.metrics, self.settings.predictor.api_key
        return predictor_app(
            engine,
            lifecycle=self.lifecycle,
            registry=metrics.registry,
            meter=metrics,
            version=VERSION,
            clock=SystemClock(),
            api_key=key.get_secret_value() if key else None,
            tracer=self.tracer,
            access=self.settings.log.access(),
        )

    def _features(self, retriever: Retriever, ingestor: Ingestor, clock: SystemClock) -> list[APIRouter]:
        collection = self.settings.retrieval.collection
        return [
            retrieval_router(retriever, collection=collection, clock=clock),
            documents_router(ingestor, collection=collection),
            collections_router(ingestor),
            versions_router(ingestor),
            syncing_router(ingestor),
        ]

    def _web(
        self,
        metrics: Metrics,
        routers: Sequence[APIRouter],
        identity: Identity,
        quotas: Quotas | None = None,
        refusal: Refusal | None = None,
    ) -> ASGIApp:
        settings = self.settings
        operations = operations_router(self.lifecycle, metrics.registry, version=VERSION, target=self.target)
        return web_app(
            [*routers, operations],
            version=VERSION,
            clock=SystemClock(),
            meter=metrics,
            lifecycle=self.lifecycle,
            identity=identity,
            quotas=quotas,
            refusal=refusal,
            max_body_bytes=settings.server.max_body_bytes,
            max_document_bytes=settings.ingestion.max_document_bytes,
            max_file_bytes=settings.batches.max_file_bytes,
            request_timeout_s=settings.server.request_timeout_s,
            open_paths=_OPEN,
            local_only=settings.on_loopback(),
            tracer=self.tracer,
            access=settings.log.access(),
        )


def answer_defaults(settings: Settings, templates: Templates) -> AnswerDefaults:
    """What holds for answers when the request says nothing. Raises `UnknownPrompt`."""
    return AnswerDefaults(
        prompt=templates.known(settings.prompt),
        max_tokens=settings.predictor.max_tokens,
        passage_tokens=settings.retrieval.max_passage_tokens,
        retrieves=settings.retrieval.enabled,
    )


@asynccontextmanager
async def surface(settings: Settings, lifecycle: Lifecycle, target: str) -> AsyncIterator[Surface]:
    """The surface of one process, with what follows its requests."""
    metrics = Metrics(VERSION, target, named_tenants(settings), follows=traces_to(settings) is not None)
    metrics.registry.register(ConnectionMetrics(lifecycle.census))
    count_lines(metrics.line_left_out)
    async with tracing(settings, target, metrics) as tracer, metrics_out(settings, target, metrics):
        yield Surface(settings, lifecycle, target, metrics, tracer)
