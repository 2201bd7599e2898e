"""Receipts and jobs as parts of a process: where they are kept, and who brings and reads receipts."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tandem.app import monitoring
from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.app.state import State
from tandem.domain.errors import ConfigurationError
from tandem.pipeline.alone import ALONE
from tandem.pipeline.batches.unkept import UNKEPT_BATCHES, UNKEPT_FILES
from tandem.pipeline.feedback.unkept import ForgottenHere, UnkeptFeedback
from tandem.pipeline.in_flight import Holding, InFlight
from tandem.pipeline.jobs.unkept import UNKEPT_JOBS, UNSENT
from tandem.pipeline.monitoring import Prepare
from tandem.pipeline.receipt_sink import ReceiptSink
from tandem.pipeline.receipts import ReadReceipts
from tandem.pipeline.releases.unkept import UNKEPT_RELEASES
from tandem.pipeline.shipping import Pace
from tandem.pipeline.unkept import UNKEPT
from tandem.ports.monitor import Monitor
from tandem.ports.sink import Sink
from tandem.ports.state import Stores

if TYPE_CHECKING:
    from tandem.adapters.state.database import Database

UserOf = Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True)
class Kept:
    """The stores, what is on its way there, and what a caller may see of both."""

    stores: Stores
    in_flight: InFlight
    reading: ReadReceipts
    sinks: Sequence[tuple[Sink, Pace]]

    def monitor(self, behind: Monitor) -> Monitor:
        """Who is told of answers, so that their receipts can be asked for at once."""
        return Holding(behind, self.in_flight) if self.sinks else behind

    @property
    def steps(self) -> Sequence[Prepare]:
        """Behind all others that a record goes through."""
        return [self.in_flight.prepared] if self.sinks else []


def shared(settings: Settings) -> bool:
    """True when other processes keep what they answer in the same place."""
    return settings.state.url is not None or (settings.retriever.url is not None and settings.retriever.as_peer)


def anything_kept(settings: Settings) -> bool:
    """False where the place would be a file that is not there: opening it would make one."""
    return shared(settings) or settings.retriever.url is not None or (settings.data_dir / "state.db").is_file()


@asynccontextmanager
async def kept(settings: Settings, user_of: UserOf) -> AsyncIterator[Kept]:
    """Receipts of what this process answers; none where `monitor` or `monitor.receipts` is off."""
    in_flight = InFlight()
    if not (settings.monitor.enabled and settings.monitor.receipts.enabled):
        async with _without_receipts(settings) as none:
            yield Kept(none, in_flight, ReadReceipts(UNKEPT, in_flight, user_of), ())
        return
    async with stores(settings) as opened:
        store = opened.receipts
        sink = ReceiptSink(store, in_flight)
        yield Kept(
            opened,
            in_flight,
            ReadReceipts(store, in_flight, user_of, opened.feedback),
            [(sink, _pace(settings.monitor))],
        )


@asynccontextmanager
async def _without_receipts(settings: Settings) -> AsyncIterator[Stores]:
    """What was kept before is still there to be deleted. Nothing is opened, or made, for who keeps and takes nothing."""
    if not settings.jobs.enabled and not anything_kept(settings):
        yield Stores(
            UNKEPT,
            UnkeptFeedback(),
            ForgottenHere(),
            UNKEPT_JOBS,
            UNSENT,
            UNKEPT_FILES,
            UNKEPT_BATCHES,
            ALONE,
            UNKEPT_RELEASES,
        )
        return
    async with stores(settings) as opened:
        yield opened


def _pace(chosen: monitoring.Monitor) -> Pace:
    return Pace(
        most=chosen.batch_records,
        # A transaction for many costs a third of one for each; meanwhile they are found in flight.
        linger_s=0.5,
        timeout_s=chosen.ship_timeout_s,
        retry_s=chosen.retry_s,
        longest_retry_s=chosen.longest_retry_s,
    )


@asynccontextmanager
async def stores(settings: Settings) -> AsyncIterator[Stores]:
    """In PostgreSQL by its URL, else at the retriever where that is a peer, else in a file."""
    peer = settings.retriever
    if settings.state.url is None and settings.retriever.url is not None and peer.as_peer:
        from tandem.adapters.remote.feedback import remote_feedback
        from tandem.adapters.remote.receipts import remote_receipts

        url, key = settings.retriever.url, peer.api_key.get_secret_value() if peer.api_key else None
        async with (
            remote_receipts(url, api_key=key, timeout_s=peer.timeout_s) as receipts,
            remote_feedback(url, api_key=key, timeout_s=peer.timeout_s) as (feedback, forgotten),
        ):
            yield Stores(
                receipts, feedback, forgotten, UNKEPT_JOBS, UNSENT, UNKEPT_FILES, UNKEPT_BATCHES, ALONE, UNKEPT_RELEASES
            )
        return
    async with own_stores(settings) as own:
        yield own


@asynccontextmanager
async def own_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Those that a retriever keeps for its gateways as well."""
    from tandem.adapters.state.batches import StoredBatches
    from tandem.adapters.state.deliveries import StoredDeliveries
    from tandem.adapters.state.demand import StoredDemand
    from tandem.adapters.state.feedback import StoredFeedback
    from tandem.adapters.state.files import StoredFiles
    from tandem.adapters.state.forgotten import StoredForgotten
    from tandem.adapters.state.jobs import StoredJobs
    from tandem.adapters.state.receipts import StoredReceipts
    from tandem.adapters.state.releases import StoredReleases

    async with database(settings) as opened:
        clock = SystemClock()
        yield Stores(
            StoredReceipts(opened),
            StoredFeedback(opened),
            StoredForgotten(opened),
            StoredJobs(opened, clock),
            StoredDeliveries(opened, clock),
            StoredFiles(opened),
            StoredBatches(opened, clock),
            # A file is one process's own.
            StoredDemand(opened) if settings.state.url is not None else ALONE,
            StoredReleases(opened),
        )


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator["Database"]:
    """PostgreSQL by its URL, which has to be at this Tandem's schema; else a file in `data_dir`, which is brought there."""
    if settings.state.url is None:
        from tandem.adapters.state.sqlite import sqlite_database

        async with sqlite_database(settings.data_dir / "state.db") as embedded:
            yield embedded
        return
    async with _postgres(settings.state, settings.state.url.get_secret_value(), migrates=False) as one:
        await one.refuse()
        yield one


@asynccontextmanager
async def unchecked_database(settings: Settings) -> AsyncIterator["Database"]:
    """The same with whatever schema it has, for who changes that. Raises `ConfigurationError` where a peer has it."""
    if settings.state.url is not None:
        async with _postgres(settings.state, settings.state.url.get_secret_value(), migrates=True) as one:
            yield one
        return
    if shared(settings):
        raise ConfigurationError(
            "The retriever keeps the state of this configuration.", hint="Run the command where the retriever runs."
        )
    from tandem.adapters.state.sqlite import sqlite_database

    async with sqlite_database(settings.data_dir / "state.db", migrate=False) as embedded:
        yield embedded


def _postgres(chosen: State, url: str, *, migrates: bool) -> "AbstractAsyncContextManager[Database]":
    from tandem.adapters.state.postgres import postgres_database

    return postgres_database(
        url,
        connections=chosen.connections,
        connect_timeout_s=chosen.connect_timeout_s,
        timeout_s=chosen.timeout_s,
        migrates=migrates,
    )
