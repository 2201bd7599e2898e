"""What one process can be: the same parts, glued as a monolith or as services."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from tandem.app import caching, entry, parts, pools
from tandem.app.beside import beside
from tandem.app.duties import duties
from tandem.app.kept import kept, own_stores
from tandem.app.monitored import monitor
from tandem.app.private import privacy
from tandem.app.questions import watched_questions
from tandem.app.queued import queued
from tandem.app.scoring import judging, scoring
from tandem.app.settings import Settings
from tandem.app.surface import Surface, surface
from tandem.app.working import watching, working
from tandem.domain.errors import ConfigurationError, TandemError
from tandem.domain.generation import ModelCard
from tandem.http.lifecycle import Lifecycle
from tandem.observe.generator import MeasuredGenerator
from tandem.observe.traffic import TrafficMetrics
from tandem.ports.generator import Generator
from tandem.ports.ingestor import Ingestor


@dataclass(frozen=True, slots=True)
class Opened:
    """A target with everything open: what it serves, where documents go (a predictor takes none), who answers."""

    app: ASGIApp
    ingestor: Ingestor | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """`port` is the default one. `public` targets need keys beyond loopback; `owns_store` ones hold embedded stores."""

    summary: str
    port: int
    open: Callable[[Settings, Lifecycle], AbstractAsyncContextManager[Opened]]
    public: bool = True
    owns_store: bool = False
    ingests: bool = True


@asynccontextmanager
async def _answers(
    settings: Settings, front: Surface, meanwhile: Callable[[Ingestor], AbstractAsyncContextManager[None]]
) -> AsyncIterator[Opened]:
    """What both kinds of front share: documents, pools, and the API over them; `meanwhile` is what else goes on."""

    def measured(model: Generator) -> Generator:
        return MeasuredGenerator(model, front.metrics)

    private = privacy(settings, front.metrics)
    async with (
        parts.shared(parts.embedder(settings)) as dense,
        watched_questions(settings, front.metrics) as watched,
        parts.features(settings, dense, caching.retrieval(settings.cache, front.metrics), watched) as (
            retriever,
            ingestor,
        ),
        pools.dispatch(settings, dense, TrafficMetrics(front.metrics), measured) as dispatch,
        entry.identity(settings, front.target, front.metrics) as identity,
        entry.quotas(settings, front.metrics) as quotas,
        parts.embeddings(settings, dense) as embed,
        kept(settings, private.clean.user) as keeping,
        duties(settings, private, keeping) as owed,
        monitor(
            settings,
            front.metrics,
            # Measured while it has its texts, then cleaned; what comes after sees what is written.
            prepare=[*scoring(settings, front.metrics), private.clean, *keeping.steps],
            beside=[*keeping.sinks, *judging(settings, dispatch, keeping.stores.receipts, front.metrics)],
            around=owed.around,
            retrieves=settings.retriever.url is None,
        ) as told,
        meanwhile(ingestor),
    ):
        answering = front.answering(retriever, dispatch, quotas, keeping.monitor(told))
        async with queued(
            settings, keeping.stores, answering, front.metrics, lambda: not front.lifecycle.leaving
        ) as jobs:
            more = [*owed.routers, *jobs]
            app = front.answers(
                answering, retriever, ingestor, dispatch, identity, quotas, embed, keeping.reading, more
            )
            yield Opened(app, ingestor, await model_name(dispatch.models))


@asynccontextmanager
async def everything(settings: Settings, lifecycle: Lifecycle) -> AsyncIterator[Opened]:
    """The monolith: what is not at a peer runs here."""
    async with (
        surface(settings, lifecycle, "all") as front,
        _answers(settings, front, lambda ingestor: working(settings, ingestor, front.metrics, front.tracer)) as opened,
    ):
        yield opened


@asynccontextmanager
async def gateway(settings: Settings, lifecycle: Lifecycle) -> AsyncIterator[Opened]:
    """The stateless front: every replica must see the same documents and the same model, so both are peers."""
    if not settings.pools and settings.predictor.url is None:
        raise ConfigurationError(
            "A gateway needs a predictor.",
            hint="Set predictor.url or pools, or serve --target all to run a model inside.",
        )
    if any(endpoint.url is None for pool in settings.pools for endpoint in pool.endpoints):
        raise ConfigurationError(
            "A gateway runs no model: each endpoint of its pools needs a url.",
            hint="Set pools[].endpoints[].url, or serve --target all to run a model inside.",
        )
    if settings.retriever.url is None and settings.vectors.url is None:
        raise ConfigurationError(
            "A gateway needs a place for documents that its replicas share.",
            hint="Set retriever.url or vectors.url, or serve --target all to keep them inside.",
        )
    async with (
        surface(settings, lifecycle, "gateway") as front,
        _answers(settings, front, lambda ingestor: beside(watching(settings, ingestor, front.metrics))) as opened,
    ):
        yield opened


@asynccontextmanager
async def retriever(settings: Settings, lifecycle: Lifecycle) -> AsyncIterator[Opened]:
    """Retrieval and documents over the store that this process owns."""
    async with (
        surface(settings, lifecycle, "retriever") as back,
        parts.shared(parts.embedder(settings)) as dense,
        watched_questions(settings, back.metrics) as watched,
        parts.local_features(settings, dense, caching.retrieval(settings.cache, back.metrics), watched) as (
            finder,
            ingestor,
        ),
        entry.identity(settings, "retriever", back.metrics) as identity,
        own_stores(settings) as stores,
        beside(watching(settings, ingestor, back.metrics)),
    ):
        app = back.retrieval(finder, ingestor, identity, dense, stores)
        yield Opened(app, ingestor, None)


@asynccontextmanager
async def worker(settings: Settings, lifecycle: Lifecycle) -> AsyncIterator[Opened]:
    """Ingestion in the background. It owns no store: documents go to a retriever, or to a Qdrant server."""
    if settings.retriever.url is None and settings.vectors.url is None:
        raise ConfigurationError(
            "A worker needs a place for documents that others read.",
            hint="Set retriever.url or vectors.url, or serve --target all, which does the same work inside.",
        )
    if not settings.ingestion.sources:
        raise ConfigurationError("A worker has nothing to do.", hint="List places in ingestion.sources.")
    async with (
        surface(settings, lifecycle, "worker") as back,
        parts.shared(parts.embedder(settings)) as dense,
        parts.features(settings, dense) as (_, ingestor),
        working(settings, ingestor, back.metrics, back.tracer),
    ):
        yield Opened(back.operations(), ingestor, None)


@asynccontextmanager
async def predictor(settings: Settings, lifecycle: Lifecycle) -> AsyncIterator[Opened]:
    """The small model, behind the protocols of TGI and OpenAI."""
    async with (
        surface(settings, lifecycle, "predictor") as back,
        parts.shared(parts.embedder(settings)) as dense,
        parts.engine(settings, dense) as model,
    ):
        app = back.predictions(model)
        yield Opened(app, None, _named(await model.card()))


TARGETS: Mapping[str, Target] = {
    "all": Target("everything in one process: page, API, documents, a small model", 8000, everything, owns_store=True),
    "gateway": Target("page and API over peers: retriever or Qdrant, and predictor", 8000, gateway),
    "retriever": Target("retrieval and documents over an embedded store", 8000, retriever, owns_store=True),
    "predictor": Target(
        "a small model behind TGI's and OpenAI's protocols", 8080, predictor, public=False, ingests=False
    ),
    "worker": Target("ingestion in the background: places kept in collections", 8000, worker, public=False),
}


async def model_name(models: Callable[[], Awaitable[list[ModelCard]]]) -> str:
    """For people: what answers, and what runs it. A peer that is away now may come back."""
    try:
        return ", ".join(map(_named, await models()))
    except TandemError:
        return "not reachable yet"


def _named(card: ModelCard) -> str:
    return card.id if card.id == card.engine else f"{card.id} ({card.engine})"


def target_named(name: str) -> Target:
    """Raises `ConfigurationError` for a name that is none."""
    if name not in TARGETS:
        raise ConfigurationError(f"There is no target {name!r}.", hint=f"Targets: {', '.join(TARGETS)}.")
    return TARGETS[name]
