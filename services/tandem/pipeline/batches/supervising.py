"""Batches are moved on: their lines become jobs, and when none of these is left, what came of them becomes files."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from tandem.domain.batch import Batch, BatchFault, BatchLease, BatchStatus, Side, StoredFile, output_id
from tandem.domain.batch_line import BatchLine
from tandem.domain.errors import IdempotencyConflict, TandemError
from tandem.domain.job import Job
from tandem.pipeline.batches.lines import LineReader
from tandem.pipeline.batches.staffing import Staffing
from tandem.pipeline.claiming import claimed
from tandem.ports.batches import Batches
from tandem.ports.clock import Clock
from tandem.ports.files import Files
from tandem.ports.jobs import Jobs

_log = logging.getLogger("tandem.batches")
_LOOK_S = 0.5
_AFTER_FAULT_S = 2.0
# Lines are read, submitted and written so many at a time, and others let in between.
_TOGETHER = 200
_TOGETHER_BYTES = 4_000_000
_SLICE_BYTES = 65_536
# A lease is renewed so many times before it lapses.
_RENEWALS = 3
# What has run for long is looked at less often: it ends late by this part of its time.
_LATE = 0.05
_STOP_AT_ONCE = 500
_TOLD_FAULTS = 20
_SIDES: tuple[Side, ...] = ("output", "errors")
_DELETED = BatchFault("input_file_not_found", "The input file was deleted.")


@dataclass(frozen=True, slots=True)
class BatchRules:
    """A file of more than `max_lines` is refused. Whoever was not heard of for `lease_s` has lost the batch it moved on."""

    max_lines: int = 50_000
    keep_s: float = 30 * 86_400.0
    lease_s: float = 60.0
    open_look_s: float = 1.0
    longest_look_s: float = 15.0
    stop_look_s: float = 0.2

    def look_again_s(self, age_s: float) -> float:
        """When lines run since so long."""
        return min(self.longest_look_s, max(self.open_look_s, _LATE * age_s))


@dataclass(frozen=True, slots=True)
class Supervising:
    """`prepare` makes a line's job, one that has failed already where there is nothing to run; `render` writes what came of it.
    `ring` says that there may be new jobs, `staffing` is for batches whose lines wait apart.
    """

    batches: Batches
    files: Files
    jobs: Jobs
    clock: Clock
    rules: BatchRules
    prepare: Callable[[BatchLine, Batch], Job]
    render: Callable[[Job], bytes]
    staffing: Staffing
    ring: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Until it is cancelled; a store that is away is waited for."""
        while True:
            try:
                moved = await self.round()
            except TandemError as error:
                _log.warning("batches wait: %s", error.message)
                moved = False
                await asyncio.sleep(_AFTER_FAULT_S)
            if not moved:
                await asyncio.sleep(_LOOK_S)

    async def round(self) -> bool:
        """Moves one on. False when none is due."""
        lease = await claimed(self.batches.claim(self.rules.lease_s), self._give_back)
        if lease is None:
            return False
        try:
            await self._move(lease)
        except (TandemError, asyncio.CancelledError) as error:
            # Whoever is next need not wait until the lease lapses.
            with contextlib.suppress(TandemError):
                await self.batches.release(lease, _AFTER_FAULT_S if isinstance(error, TandemError) else 0.0)
            raise
        return True

    async def _give_back(self, lease: BatchLease | None) -> None:
        if lease is not None:
            await self.batches.release(lease, 0.0)

    async def _move(self, lease: BatchLease) -> None:
        batch = lease.batch
        look_again_s = 0.0
        match batch.status:
            case "validating":
                await self._read(lease)
            case "cancelling":
                many = await self.batches.stop_lines(batch, _STOP_AT_ONCE)
                # A full hand says that there may be more.
                look_again_s = 0.0 if many == _STOP_AT_ONCE else self.rules.stop_look_s
                if not await self.batches.any_open(batch):
                    await self._finish(lease, batch)
            case _:
                now = self.clock.epoch_s()
                look_again_s = self.rules.look_again_s(now - (batch.in_progress_at or now))
                if await self.batches.any_open(batch):
                    await self.staffing.staff(batch)
                else:
                    await self._finish(lease, batch)
        # Of one that is over, or another's by now, this tells nothing.
        await self.batches.release(lease, look_again_s)

    async def _read(self, lease: BatchLease) -> None:
        batch = lease.batch
        file = await self.files.file(batch.tenant, batch.input_file_id)
        if file is None:
            await self._fail(lease, batch, [_DELETED])
            return
        total = wrong = 0
        faults: list[BatchFault] = []
        renewing = _Renewing(self, lease, batch)
        async for lines in self._lines(file):
            total += len(lines)
            for line, fault in ((line, line.fault) for line in lines if line.fault is not None):
                wrong += 1
                if wrong <= _TOLD_FAULTS:
                    faults.append(BatchFault(fault.code, fault.message, line.number + 1))
            if total > self.rules.max_lines:
                message = f"The file has more than {self.rules.max_lines:,} lines."
                await self._fail(lease, batch, [BatchFault("too_many_lines", message)])
                return
            if not await renewing.kept():
                return
        if not total:
            await self._fail(lease, batch, [BatchFault("empty_file", "The file has no line.")])
        elif wrong == total:
            # Nothing would ever be run: a wrong file rather than wrong lines.
            await self._fail(lease, batch, faults)
        else:
            await self._submit(lease, file, total)

    async def _submit(self, lease: BatchLease, file: StoredFile, total: int) -> None:
        batch, seen = lease.batch, 0
        async for lines in _grouped(self._lines(file)):
            seen += len(lines)
            jobs = []
            for line in (line for line in lines if line.number >= lease.batch.read):
                jobs.append(self.prepare(line, batch))
                await asyncio.sleep(0)
            if not jobs:
                continue
            # Before, not after: whoever lost the batch meanwhile adds no line to it.
            if not await self.batches.keep(lease, batch, self.rules.lease_s):
                return
            await self._put(jobs)
            self.ring()
            batch = replace(batch, read=lines[-1].number + 1)
        if seen < total:
            await self._fail(lease, batch, [_DELETED])
            return
        going = replace(batch, status="in_progress", total=total, in_progress_at=self.clock.epoch_s())
        await self.batches.keep(lease, going, self.rules.lease_s)

    async def _put(self, jobs: Sequence[Job]) -> None:
        try:
            await self.jobs.submit(jobs)
        except IdempotencyConflict:
            # Some are there since before this Tandem was started, which reads them otherwise: as they were read first they stay.
            for job in jobs:
                with contextlib.suppress(IdempotencyConflict):
                    await self.jobs.submit([job])

    async def _fail(self, lease: BatchLease, batch: Batch, faults: Sequence[BatchFault]) -> None:
        now = self.clock.epoch_s()
        if (await self.batches.tally(batch)).total:
            # Some lines are among the jobs: they are stopped first, and what came of them is told.
            stopping = replace(batch, status="cancelling", cancelling_at=now, faults=tuple(faults))
            await self.batches.keep(lease, stopping, self.rules.lease_s)
            return
        await self.batches.end(lease, replace(batch, status="failed", ended_at=now, faults=tuple(faults)), ())

    async def _finish(self, lease: BatchLease, batch: Batch) -> None:
        now = self.clock.epoch_s()
        if batch.status == "in_progress":
            batch = replace(batch, status="finalizing", finalizing_at=now)
            if not await self.batches.keep(lease, batch, self.rules.lease_s):
                return
        tally = await self.batches.tally(batch)
        status: BatchStatus = "completed"
        if batch.status == "cancelling":
            status = "failed" if batch.faults else "cancelled"
        elif tally.expired:
            status = "expired"
        sizes = dict.fromkeys(_SIDES, 0)
        renewing = _Renewing(self, lease, batch)
        for side in _SIDES:
            async for piece in written_lines(self.batches, batch, side, self.render):
                sizes[side] += len(piece)
                if not await renewing.kept():
                    return
        written = [self._written(batch, side, size, now) for side, size in sizes.items() if size]
        ids = {file.side: file.id for file in written}
        over = replace(
            batch,
            status=status,
            tally=tally,
            total=batch.total or tally.total,
            ended_at=self.clock.epoch_s(),
            output_file_id=ids.get("output"),
            error_file_id=ids.get("errors"),
        )
        if await self.batches.end(lease, over, written):
            await self.staffing.let_go(over)

    def _written(self, batch: Batch, side: Side, size: int, now: float) -> StoredFile:
        return StoredFile(
            output_id(batch.id, side),
            f"{batch.id}_{side}.jsonl",
            "batch_output",
            now,
            now + self.rules.keep_s,
            size,
            batch.tenant,
            batch.caller,
            batch.groups,
            batch.user,
            batch.id,
            side,
        )

    async def _lines(self, file: StoredFile) -> AsyncIterator[list[BatchLine]]:
        reader = LineReader()
        async for part in self.files.content(file):
            for start in range(0, len(part), _SLICE_BYTES):
                yield reader.feed(part[start : start + _SLICE_BYTES])
                await asyncio.sleep(0)
        yield reader.end()


class _Renewing:
    """The lease over what may take longer than it lasts."""

    __slots__ = ("_batch", "_kept_s", "_lease", "_of")

    def __init__(self, of: Supervising, lease: BatchLease, batch: Batch) -> None:
        self._of = of
        self._lease = lease
        self._batch = batch
        self._kept_s = of.clock.monotonic_s()

    async def kept(self) -> bool:
        """Asked often, renewed now and then. False when it was lost."""
        now_s, lease_s = self._of.clock.monotonic_s(), self._of.rules.lease_s
        if now_s - self._kept_s <= lease_s / _RENEWALS:
            return True
        self._kept_s = now_s
        return await self._of.batches.keep(self._lease, self._batch, lease_s)


async def written_lines(
    batches: Batches, batch: Batch, side: Side, render: Callable[[Job], bytes]
) -> AsyncIterator[bytes]:
    """What came of a batch's lines, as its file has it, some lines at a time."""
    after = -1
    while lines := await batches.lines(batch, side, after=after, limit=_TOGETHER):
        yield b"".join(map(render, lines))
        after = max(line.line or 0 for line in lines)


async def _grouped(pieces: AsyncIterator[list[BatchLine]]) -> AsyncIterator[list[BatchLine]]:
    held: list[BatchLine] = []
    size = 0
    async for lines in pieces:
        for line in lines:
            held.append(line)
            size += len(line.body or b"")
            if len(held) == _TOGETHER or size >= _TOGETHER_BYTES:
                yield held
                held, size = [], 0
    if held:
        yield held
