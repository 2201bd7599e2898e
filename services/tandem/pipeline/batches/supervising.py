"""Batches are moved on: their lines become jobs, and when none of these is left, what came of them becomes files."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from tandem.domain.batch import Batch, BatchFault, BatchLease, BatchStatus, Side, StoredFile, output_id
from tandem.domain.batch_line import BatchLine
from tandem.domain.errors import TandemError
from tandem.domain.job import Job
from tandem.pipeline.batches.lines import LineReader
from tandem.ports.batches import Batches
from tandem.ports.clock import Clock
from tandem.ports.files import Files
from tandem.ports.jobs import Jobs

_log = logging.getLogger("tandem.batches")
_LOOK_S = 0.5
_AFTER_FAULT_S = 2.0
# Lines are read, submitted and written so many at a time, and others let in between.
_TOGETHER = 200
_SLICE_BYTES = 65_536
_STOP_AT_ONCE = 500
_TOLD_FAULTS = 20
_SIDES: tuple[Side, ...] = ("output", "errors")


@dataclass(frozen=True, slots=True)
class BatchRules:
    """A file of more than `max_lines` is refused. Whoever was not heard of for `lease_s` has lost the batch it moved on."""

    max_lines: int = 50_000
    keep_s: float = 30 * 86_400.0
    lease_s: float = 60.0
    open_look_s: float = 1.0
    stop_look_s: float = 0.2


@dataclass(frozen=True, slots=True)
class Supervising:
    """`prepare` makes a line's job, one that has failed already where there is nothing to run; `render` writes what came of it.
    `ring` says that there may be new jobs.
    """

    batches: Batches
    files: Files
    jobs: Jobs
    clock: Clock
    rules: BatchRules
    prepare: Callable[[BatchLine, Batch], Job]
    render: Callable[[Job], bytes]
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
        lease = await self.batches.claim(self.rules.lease_s)
        if lease is None:
            return False
        await self._move(lease)
        return True

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
                look_again_s = self.rules.open_look_s
                if not await self.batches.any_open(batch):
                    await self._finish(lease, batch)
        # Of one that is over, or another's by now, this tells nothing.
        await self.batches.release(lease, look_again_s)

    async def _read(self, lease: BatchLease) -> None:
        batch = lease.batch
        file = await self.files.file(batch.tenant, batch.input_file_id)
        if file is None:
            await self._fail(lease, [BatchFault("input_file_not_found", "The input file was deleted.")])
            return
        total = 0
        faults: list[BatchFault] = []
        async for line in self._lines(file):
            total += 1
            if line.fault is not None:
                faults.append(BatchFault(line.fault.code, line.fault.message, line.number + 1))
            if total > self.rules.max_lines:
                message = f"The file has more than {self.rules.max_lines:,} lines."
                await self._fail(lease, [BatchFault("too_many_lines", message)])
                return
        if not total:
            await self._fail(lease, [BatchFault("empty_file", "The file has no line.")])
        elif len(faults) == total:
            # Nothing would ever be run: a wrong file rather than wrong lines.
            await self._fail(lease, faults[:_TOLD_FAULTS])
        else:
            await self._submit(lease, file, total)

    async def _submit(self, lease: BatchLease, file: StoredFile, total: int) -> None:
        batch = lease.batch
        async for lines in _grouped(line async for line in self._lines(file) if line.number >= lease.batch.read):
            jobs = []
            for line in lines:
                jobs.append(self.prepare(line, batch))
                await asyncio.sleep(0)
            await self.jobs.submit(jobs)
            self.ring()
            batch = replace(batch, read=lines[-1].number + 1)
            if not await self.batches.keep(lease, batch, self.rules.lease_s):
                return
        going = replace(batch, status="in_progress", total=total, in_progress_at=self.clock.epoch_s())
        await self.batches.keep(lease, going, self.rules.lease_s)

    async def _fail(self, lease: BatchLease, faults: Sequence[BatchFault]) -> None:
        over = replace(lease.batch, status="failed", ended_at=self.clock.epoch_s(), faults=tuple(faults))
        await self.batches.end(lease, over, ())

    async def _finish(self, lease: BatchLease, batch: Batch) -> None:
        now = self.clock.epoch_s()
        if batch.status == "in_progress":
            batch = replace(batch, status="finalizing", finalizing_at=now)
            if not await self.batches.keep(lease, batch, self.rules.lease_s):
                return
        tally = await self.batches.tally(batch)
        status: BatchStatus = "completed"
        if batch.status == "cancelling":
            status = "cancelled"
        elif tally.expired:
            status = "expired"
        sizes = {side: await self._size(batch, side) for side in _SIDES}
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
        await self.batches.end(lease, over, written)

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

    async def _size(self, batch: Batch, side: Side) -> int:
        return sum([len(piece) async for piece in written_lines(self.batches, batch, side, self.render)])

    async def _lines(self, file: StoredFile) -> AsyncIterator[BatchLine]:
        reader = LineReader()
        async for part in self.files.content(file):
            for start in range(0, len(part), _SLICE_BYTES):
                for line in reader.feed(part[start : start + _SLICE_BYTES]):
                    yield line
                await asyncio.sleep(0)
        for line in reader.end():
            yield line


async def written_lines(
    batches: Batches, batch: Batch, side: Side, render: Callable[[Job], bytes]
) -> AsyncIterator[bytes]:
    """What came of a batch's lines, as its file has it, some lines at a time."""
    after = -1
    while lines := await batches.lines(batch, side, after=after, limit=_TOGETHER):
        yield b"".join(map(render, lines))
        after = max(line.line or 0 for line in lines)


async def _grouped(lines: AsyncIterator[BatchLine]) -> AsyncIterator[list[BatchLine]]:
    held: list[BatchLine] = []
    async for line in lines:
        held.append(line)
        if len(held) == _TOGETHER:
            yield held
            held = []
    if held:
        yield held
