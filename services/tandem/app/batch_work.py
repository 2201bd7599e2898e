"""The lines of one batch, answered until none is left: what the pods of a batch's own Job do."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine

from tandem.app.answerers import answerers
from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.queued import runner_of
from tandem.app.serve import beside_work, told_to_leave
from tandem.app.settings import Settings
from tandem.app.surface import surface
from tandem.app.targets import TARGETS, check_answering_worker
from tandem.domain.batch import Batch, own_queue
from tandem.domain.errors import TandemError, UnknownBatch
from tandem.http.lifecycle import Lifecycle
from tandem.ports.batches import Batches

_log = logging.getLogger("tandem.batches")
_LOOK_S = 1.0
_SAY_EVERY_S = 10.0


async def work_on(settings: Settings, batch_id: str, say: Callable[[str], None]) -> bool:
    """True once the batch is over, False when this process was told to leave before: what it had in hand went back.

    Raises `ConfigurationError` for a configuration without a shared queue or a model, `UnknownBatch`.
    """
    check_answering_worker(settings, [own_queue(batch_id)])
    leave, lifecycle = asyncio.Event(), Lifecycle()
    async with (
        surface(settings, lifecycle, "worker") as back,
        answerers(settings, back) as behind,
        beside_work(settings, back.operations(), lifecycle, TARGETS["worker"].port),
    ):
        batches = behind.keeping.stores.batches
        if await batches.anybodys(batch_id) is None:
            raise UnknownBatch(f"There is no batch {batch_id}.", hint="Was it deleted?", param="id")
        runner = runner_of(settings, behind, back.metrics, [own_queue(batch_id)], welcome=lambda: not leave.is_set())
        with told_to_leave(leave.set):
            return await until_over(runner.run(), batches, batch_id, leave, say)


async def until_over(
    answering: Coroutine[None, None, None],
    batches: Batches,
    batch_id: str,
    leave: asyncio.Event,
    say: Callable[[str], None],
) -> bool:
    """Its lines are answered meanwhile. Raises what stops that: nobody would notice a pod that only waits."""
    async with beside([answering]):
        return await _over(batches, batch_id, leave, say)


async def _over(batches: Batches, batch_id: str, leave: asyncio.Event, say: Callable[[str], None]) -> bool:
    clock = SystemClock()
    said_s = -_SAY_EVERY_S
    while not leave.is_set():
        try:
            batch = await batches.anybodys(batch_id)
            if batch is None or batch.over:
                say("over" if batch is None else await _line(batches, batch))
                return True
            if clock.monotonic_s() - said_s >= _SAY_EVERY_S:
                said_s = clock.monotonic_s()
                say(await _line(batches, batch))
        except TandemError as error:
            _log.warning("the batch waits for its store: %s", error.message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await leave.wait()
    return False


async def _line(batches: Batches, batch: Batch) -> str:
    tally = batch.tally or await batches.tally(batch)
    return f"{batch.status}: {tally.completed:,} answered, {tally.failed:,} failed, {tally.open:,} open"
