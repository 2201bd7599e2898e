"""What one process can be: the same parts, glued as a monolith or as services."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass

from starlette.types import ASGIApp

from tandem.app import caching, entry, parts
from tandem.app.answerers import Answerers, answerers
from tandem.app.beside import beside
from tandem.app.features import INGEST, QUESTIONS
from tandem.app.hooks import hooked
from tandem.app.kept import own_stores
from tandem.app.questions import watched_questions
from tandem.app.queued import queued
from tandem.app.settings import Settings
from tandem.app.streamed import asked_by_streams
from tandem.app.surface import Surface, surface
from tandem.app.working import watching, working
from tandem.domain.errors import ConfigurationError, TandemError
from tandem.domain.generation import ModelCard
from tandem.domain.job import ANSWERS, BATCHES
from tandem.http.lifecycle import Lifecycle, State
from tandem.ports.ingestor import Ingestor

# What people wait for more comes first.
_QUEUES = (ANSWERS, BATCHES, QUESTIONS)


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
    settings: Settings,
    front: Surface,
    meanwhile: Callable[[Ingestor], AbstractAsyncContextManager[None]],
    queues: Sequence[str],
) -> AsyncIterator[Opened]:
    """What both kinds of front share: whoever answers, also what waits in `queues`, and the API over them; `meanwhile` is what
    else goes on.
    """
    async with (
        answerers(settings, front) as behind,
        parts.embeddings(settings, behind.dense) as embed,
        entry.identity(settings, front.target, front.metrics) as identity,
        meanwhile(behind.ingestor),
        queued(settings, front, behind, queues) as jobs,
        hooked(settings) as hooks,
        _streams(settings, front, behind, queues),
    ):
        app = front.answers(behind, identity, embed, [*jobs, hooks])
        yield Opened(app, behind.ingestor, await model_name(behind.dispatch.models))


@asynccontextmanager
async def everything(settings: Settings, lifecycle: Lifecycle) -> AsyncIterator[Opened]:
    """The monolith: what is not at a peer runs here."""
    async with (
        surface(settings, lifecycle, "all") as front,
        _answers(
            settings, front, lambda ingestor: working(settings, ingestor, front.metrics, front.tracer), _QUEUES
        ) as opened,
    ):
        yield opened


@asynccontextmanager
async def gateway(settings: Settings, lifecycle: Lifecycle) -> AsyncIterator[Opened]:
    """The stateless front: every replica must see the same documents and the same model, so both are peers."""
    _check_model(settings, "gateway")
    if settings.retriever.url is None and settings.vectors.url is None:
        raise ConfigurationError(
            "A gateway needs a place for documents that its replicas share.",
            hint="Set retriever.url or vectors.url, or serve --target all to keep them inside.",
        )
    async with (
        surface(settings, lifecycle, "gateway") as front,
        _answers(
            settings,
            front,
            lambda ingestor: beside(watching(settings, ingestor, front.metrics)),
            [queue for queue in _QUEUES if queue not in settings.worker.queues],
        ) as opened,
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
    """What nobody waits for: ingestion, and the answers of jobs and batches, as `worker.queues` says."""
    if settings.retriever.url is None and settings.vectors.url is None:
        raise ConfigurationError(
            "A worker needs a place for documents that others read.",
            hint="Set retriever.url or vectors.url, or serve --target all, which does the same work inside.",
        )
    queues = [queue for queue in _QUEUES if queue in settings.worker.queues]
    if not queues and not settings.ingestion.sources:
        raise ConfigurationError(
            "A worker has nothing to do.", hint="List places in ingestion.sources, or `answers` in worker.queues."
        )
    async with surface(settings, lifecycle, "worker") as back, AsyncExitStack() as stack:
        if queues:
            check_answering_worker(settings, queues)
            behind = await stack.enter_async_context(answerers(settings, back))
            await stack.enter_async_context(queued(settings, back, behind, queues))
            await stack.enter_async_context(_streams(settings, back, behind, queues))
            ingestor = behind.ingestor
        else:
            dense = await stack.enter_async_context(parts.shared(parts.embedder(settings)))
            _, ingestor = await stack.enter_async_context(parts.features(settings, dense))
        kept = (
            working(settings, ingestor, back.metrics, back.tracer) if INGEST in settings.worker.queues else beside(())
        )
        await stack.enter_async_context(kept)
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
    "worker": Target("in the background: places kept in collections, jobs, batches", 8000, worker, public=False),
}


def _streams(
    settings: Settings, front: Surface, behind: Answerers, queues: Sequence[str]
) -> AbstractAsyncContextManager[None]:
    if QUESTIONS not in queues:
        return nullcontext()
    # Not before the documents named at start are in.
    return asked_by_streams(settings, behind.answering, front.metrics, lambda: front.lifecycle.state is State.ready)


def check_answering_worker(settings: Settings, queues: Sequence[str]) -> None:
    """Raises `ConfigurationError` where there is no queue to answer from, or nobody to ask."""
    _check_model(settings, "worker that answers")
    if set(queues) <= {QUESTIONS}:
        return
    if settings.state.url is None or not settings.jobs.enabled:
        raise ConfigurationError(
            "A worker that answers needs the queue that gateways fill.",
            hint="Set state.url to their PostgreSQL, and leave jobs.enabled on.",
        )


def _check_model(settings: Settings, who: str) -> None:
    """Raises `ConfigurationError` where this process would have to run a model."""
    if not settings.pools and settings.predictor.url is None:
        raise ConfigurationError(
            f"A {who} needs a predictor.",
            hint="Set predictor.url or pools, or serve --target all to run a model inside.",
        )
    if any(endpoint.url is None for pool in settings.pools for endpoint in pool.endpoints):
        raise ConfigurationError(
            f"A {who} runs no model: each endpoint of its pools needs a url.",
            hint="Set pools[].endpoints[].url, or serve --target all to run a model inside.",
        )


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
