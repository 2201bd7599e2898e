"""What a process owes to those whose answers it keeps: taking in what they think of them, deleting in time and on request."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter

from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.kept import Kept
from tandem.app.otlp import endpoint
from tandem.app.private import Private
from tandem.app.settings import Settings
from tandem.domain.feedback import Feedback
from tandem.domain.record import AnswerRecord
from tandem.http.routers.feedback import feedback_router
from tandem.http.routers.personal import personal_router
from tandem.pipeline.feedback.giving import GivingFeedback
from tandem.pipeline.feedback.rated import RatedAnswers
from tandem.pipeline.privacy.personal import Held, PersonalData, Places
from tandem.pipeline.privacy.retention import INTERVAL_S, Retention
from tandem.pipeline.privacy.withholding import Forgettable, Withholding
from tandem.ports.archive import Archive
from tandem.ports.sink import Sink
from tandem.ports.state import Stores

_log = logging.getLogger("tandem.privacy")


@dataclass(frozen=True, slots=True)
class Duties:
    """`around` stands before every sink; `routers` are served beside the others."""

    around: Callable[[Sink], Sink]
    routers: Sequence[APIRouter]


@asynccontextmanager
async def duties(
    settings: Settings, private: Private, keeping: Kept, heard: Callable[[AnswerRecord, Feedback], None]
) -> AsyncIterator[Duties]:
    """While it is open, what is too old is deleted. `heard` is told of opinions."""
    clock, stores = SystemClock(), keeping.stores
    forgettable = Forgettable(stores.forgotten, private.kept_days, clock)
    places = placed(settings, stores)
    personal = PersonalData(places, private.users, forgettable, clock, private.meter)
    giving = GivingFeedback(keeping.reading, stores.feedback, private.clean, clock, private.meter, heard)
    retention = Retention(
        places,
        private.kept_days,
        private.longest_days,
        forgettable,
        clock,
        private.meter,
        job_days=settings.jobs.keep_days,
        batch_days=settings.batches.keep_days,
    )

    def around(sink: Sink) -> Sink:
        return Withholding(sink, forgettable, keeping.in_flight.arrived)

    async with beside([_rounds(retention)]):
        yield Duties(
            around, [feedback_router(giving, RatedAnswers(stores.receipts, stores.feedback)), personal_router(personal)]
        )


async def _rounds(retention: Retention) -> None:
    while True:
        try:
            await retention.round()
        except Exception:  # noqa: BLE001 - answers go on whatever is wrong here; the log is watched
            _log.exception("what is old could not be deleted")
        await asyncio.sleep(INTERVAL_S)


def placed(settings: Settings, stores: Stores) -> Places:
    """Where answers and opinions are kept."""
    return Places(
        stores.receipts,
        stores.feedback,
        stores.forgotten,
        archives=archives(settings),
        held=_held(settings),
        elsewhere=_elsewhere(settings),
        jobs=stores.jobs,
        files=stores.files,
        batches=stores.batches,
    )


def _held(settings: Settings) -> dict[str, Held]:
    from tandem.adapters.spool.forgetting import SpoolLeftovers

    folder = settings.monitor.spool.dir or settings.data_dir / "monitor"
    return {"refused": SpoolLeftovers(folder, SystemClock())}


def _elsewhere(settings: Settings) -> tuple[str, ...]:
    chosen = settings.monitor
    collected = chosen.otlp.enabled and endpoint(chosen.otlp, "traces") is not None
    return (*(["otlp"] if collected else []), *(["stdout"] if chosen.stdout.enabled else []))


def archives(settings: Settings) -> dict[str, Archive]:
    """Copies in files."""
    url = settings.monitor.parquet.url
    if url is None:
        return {}
    from tandem.adapters.parquet.keeping import ParquetKeeping
    from tandem.adapters.parquet.places import place

    return {"parquet": ParquetKeeping(place(url))}
