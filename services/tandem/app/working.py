"""What a worker does: each configured source is kept in its collection."""

from contextlib import AbstractAsyncContextManager

from tandem.app import parts
from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.features import SyncedSource
from tandem.app.settings import Settings
from tandem.domain.context import RequestContext
from tandem.domain.groups import EVERY_GROUP
from tandem.ingestion.progress import SyncReport
from tandem.ingestion.shards import Shard
from tandem.observe.features import MeasuredIngestor
from tandem.observe.metrics import Metrics
from tandem.observe.rounds import MeasuredRounds
from tandem.pipeline.rounds import Alone, Crew, Rounds, Synchronised
from tandem.pipeline.syncing import sync
from tandem.ports.ingestor import Ingestor


def working(settings: Settings, ingestor: Ingestor, metrics: Metrics) -> AbstractAsyncContextManager[None]:
    """The sources are synchronised while the context is open. Left, a document that is being written is finished first."""
    clock = SystemClock()
    counted = MeasuredIngestor(ingestor, metrics, clock)
    rounds = Rounds(crew(settings), MeasuredRounds(metrics, clock), clock)
    return beside([rounds.run(_synchronised(settings, source, counted)) for source in settings.ingestion.sources])


def crew(settings: Settings) -> Crew:
    """Who shares the documents: the workers of one name, or nobody."""
    chosen = settings.worker
    if chosen.peers is None or chosen.address is None:
        return Alone()
    from tandem.adapters.workers.named import NamedCrew

    return NamedCrew(chosen.peers, chosen.address)


def _synchronised(settings: Settings, source: SyncedSource, ingestor: Ingestor) -> Synchronised:
    # Whose documents they are the configuration says; no access list hides from the worker what it wrote.
    context = RequestContext(f"sync-{source.name}", tenant=source.tenant, groups=(EVERY_GROUP,))

    async def share(shard: Shard) -> SyncReport:
        async with parts.sources(settings, [source.place]) as named:
            return await sync(
                ingestor,
                named,
                collection=source.collection or settings.retrieval.collection,
                context=context,
                prune=source.prune,
                shard=shard,
            )

    return Synchronised(source.name, source.every_s, share)
