"""Files and batches as parts of a process: the desk that takes them, and who moves them on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import APIRouter

from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.domain.batch import Batch
from tandem.domain.batch_line import BatchLine
from tandem.domain.job import Job
from tandem.http.routers.batches import batches_router
from tandem.http.routers.chat import ALIAS
from tandem.http.routers.files import files_router
from tandem.http.wire.batches import line_job, written_line
from tandem.pipeline.batches.desk import BatchDesk, BatchDeskRules
from tandem.pipeline.batches.staffing import Staffing
from tandem.pipeline.batches.supervising import BatchRules, Supervising
from tandem.pipeline.batches.unkept import NO_PODS
from tandem.ports.batch_pods import BatchPods
from tandem.ports.state import Stores

_log = logging.getLogger("tandem.batches")
_AFTER_FAULT_S = 5.0
_DAY_S = 86_400.0


def batch_routers(settings: Settings, stores: Stores, weight_of: Callable[[str], float]) -> Sequence[APIRouter]:
    """OpenAI's two APIs."""
    chosen, clock = settings.batches, SystemClock()
    rules = BatchDeskRules(chosen.max_open, chosen.max_stored_bytes, own_queues=chosen.run == "job")
    desk = BatchDesk(stores.files, stores.batches, rules, weight_of, written_line)
    return [files_router(desk, clock=clock, keep_s=chosen.keep_days * _DAY_S), batches_router(desk, clock=clock)]


@asynccontextmanager
async def batch_pods(settings: Settings) -> AsyncIterator[BatchPods]:
    """Where batches have pods of their own, in the cluster around this one. Raises `ConfigurationError` outside of any."""
    if settings.batches.run == "here":
        yield NO_PODS
        return
    from tandem.adapters.kubernetes.batch_pods import kubernetes_batch_pods

    async with kubernetes_batch_pods() as pods:
        yield pods


async def moving_on(settings: Settings, stores: Stores, ring: Callable[[], None], pods: BatchPods) -> None:
    """Until it is cancelled. A batch that cannot be moved on for a reason that nobody foresaw stops no others."""
    clock = SystemClock()
    rules = BatchRules(settings.batches.max_lines, settings.batches.keep_days * _DAY_S)
    prepare = partial(_prepared, collection=settings.retrieval.collection, clock=clock)
    supervising = Supervising(
        stores.batches, stores.files, stores.jobs, clock, rules, prepare, written_line, Staffing(pods), ring
    )
    while True:
        try:
            await supervising.run()
        except Exception:  # noqa: BLE001 - its lease lapses, and it is tried again; the log is watched
            _log.exception("a batch could not be moved on")
        await asyncio.sleep(_AFTER_FAULT_S)


def _prepared(line: BatchLine, batch: Batch, *, collection: str, clock: SystemClock) -> Job:
    return line_job(line, batch, collection, clock.epoch_s(), alias=ALIAS)
