"""What a worker does: each configured source is kept in its collection, round by round or event by event."""

from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager

from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.features import SyncedSource
from tandem.app.places import sources_at, stream_at
from tandem.app.settings import Settings
from tandem.domain.context import RequestContext
from tandem.domain.groups import EVERY_GROUP
from tandem.ingestion.progress import SyncReport
from tandem.ingestion.shards import Shard
from tandem.observe.features import MeasuredIngestor
from tandem.observe.metrics import Metrics
from tandem.observe.rounds import MeasuredRounds
from tandem.observe.versions import watch_versions
from tandem.pipeline.following import follow
from tandem.pipeline.rounds import Alone, Crew, Followed, Rounds, Synchronised
from tandem.pipeline.syncing import sync
from tandem.pipeline.untraced import UNTRACED
from tandem.ports.ingestor import Ingestor
from tandem.ports.tracer import Tracer


def working(
    settings: Settings, ingestor: Ingestor, metrics: Metrics, tracer: Tracer = UNTRACED
) -> AbstractAsyncContextManager[None]:
    """The sources are synchronised while the context is open. Left, a document that is being written is finished first."""
    clock = SystemClock()
    counted = MeasuredIngestor(ingestor, metrics, clock, tracer)
    rounds = Rounds(crew(settings), MeasuredRounds(metrics, clock, tracer), clock)
    kept = [_kept(rounds, settings, source, counted) for source in settings.ingestion.sources]
    return beside([*kept, *watching(settings, ingestor, metrics)])


def watching(settings: Settings, ingestor: Ingestor, metrics: Metrics) -> list[Coroutine[None, None, None]]:
    """Which versions of the configured collections serve."""
    names = sorted({settings.retrieval.collection, *settings.collections})
    return [watch_versions(ingestor.versions, names, metrics)]


def crew(settings: Settings) -> Crew:
    """Who shares the documents: the workers of one name, or nobody."""
    chosen = settings.worker
    if chosen.peers is None or chosen.address is None:
        return Alone()
    from tandem.adapters.workers.named import NamedCrew

    return NamedCrew(chosen.peers, chosen.address)


def _kept(rounds: Rounds, settings: Settings, source: SyncedSource, ingestor: Ingestor) -> Coroutine[None, None, None]:
    from tandem.adapters.sources.place import is_followed

    if is_followed(source.place):
        return rounds.stay(_followed(settings, source, ingestor))
    return rounds.run(_synchronised(settings, source, ingestor))


def _context(source: SyncedSource) -> RequestContext:
    # Whose documents they are the configuration says; no access list hides from the worker what it wrote.
    return RequestContext(f"sync-{source.name}", tenant=source.tenant, groups=(EVERY_GROUP,))


def _followed(settings: Settings, source: SyncedSource, ingestor: Ingestor) -> Followed:
    stream, into = stream_at(settings, source.place), source.collection or settings.retrieval.collection
    return Followed(source.name, lambda: follow(ingestor, stream, collection=into, context=_context(source)))


def _synchronised(settings: Settings, source: SyncedSource, ingestor: Ingestor) -> Synchronised:
    async def share(shard: Shard) -> SyncReport:
        async with sources_at(settings, [source.place]) as named:
            return await sync(
                ingestor,
                named,
                collection=source.collection or settings.retrieval.collection,
                context=_context(source),
                prune=source.prune,
                shard=shard,
            )

    return Synchronised(source.name, source.every_s, share)
