"""A monitor that writes records to a spool, in one thread beside the event loop."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tandem.adapters.spool.meter import SpoolCensus, SpoolMeter
from tandem.adapters.spool.quarantine import Quarantine
from tandem.adapters.spool.reading import Reading
from tandem.adapters.spool.refused import Refused
from tandem.adapters.spool.writing import Upkeep, Writer
from tandem.pipeline.monitoring import Prepare
from tandem.ports.clock import Clock
from tandem.ports.monitor import Recordable

_log = logging.getLogger("tandem.monitor")
# Records that are encoded and written together.
_TOGETHER = 128
_TOGETHER_BYTES = 2_000_000
# What comes within this time is written together, which takes half the time of doing it one by one.
_LINGER_S = 0.5


@dataclass(frozen=True, slots=True)
class Room:
    """How much may wait in memory."""

    records: int = 10_000
    bytes: int = 64_000_000


class Spooling:
    """`ports/monitor.py`. `take` is called by the event loop; it adds to a queue, and no more."""

    def __init__(self, writer: Writer, reading: Reading, room: Room, meter: SpoolMeter, *, linger_s: float) -> None:
        self._writer = writer
        self._reading = reading
        self._room = room
        self._meter = meter
        self._linger_s = linger_s
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[Recordable, int]] = deque()
        # Each side adds to its own: no lock, and what waits is the difference.
        self._taken_bytes = 0
        self._written_bytes = 0
        self._woken = False
        self._wake = threading.Event()
        reading.on_shipped = self._rouse
        self._hurry = threading.Event()
        self._ended = False
        self._flushes: deque[Future[None]] = deque()
        self._thread = threading.Thread(target=self._run, name="tandem-monitor", daemon=True)

    def start(self) -> None:
        """The thread begins."""
        self._thread.start()

    def take(self, answer: Recordable) -> None:
        """See the port."""
        size = answer.size
        if self._ended:
            self._meter.dropped("shutdown")
        elif (
            len(self._queue) >= self._room.records or self._taken_bytes - self._written_bytes + size > self._room.bytes
        ):
            self._meter.dropped(self._writer.trouble or "queue_full")
        else:
            self._taken_bytes += size
            self._queue.append((answer, size))
            self._rouse()

    async def flush(self, timeout_s: float) -> bool:
        """What was taken is on the disk when this returns; False when that took longer."""
        flushed: Future[None] = Future()
        self._flushes.append(flushed)
        self._hurry.set()
        self._rouse()
        try:
            await asyncio.wait_for(asyncio.wrap_future(flushed), timeout_s)
        except TimeoutError:
            return False
        return True

    async def close(self, timeout_s: float) -> None:
        """The thread ends, after what it does now. What is in memory then is counted as dropped."""
        self._ended = True
        self._hurry.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, timeout_s)
        left = len(self._queue)
        if left:
            self._meter.dropped(self._writer.trouble or "shutdown", left)
            _log.warning("%d records were not written before the end.", left)

    def census(self) -> SpoolCensus:
        """For the metrics."""
        lags = self._reading.lags()
        return SpoolCensus(
            queued=len(self._queue) + self._writer.pending,
            records=max(0, self._reading.waiting),
            bytes=self._writer.segments.size,
            oldest_s=max((lag.seconds for lag in lags), default=0.0),
            writable=self._writer.trouble is None,
            sinks=lags,
        )

    def _rouse(self) -> None:
        if not self._woken:
            self._woken = True
            self._wake.set()

    def _run(self) -> None:
        while not self._ended:
            if self._wake.wait(self._writer.due_s()) and self._linger_s:
                self._hurry.wait(self._linger_s)
            self._wake.clear()
            # Before the queue is looked at: who comes after that wakes this thread again.
            self._woken = False
            self._try()
        self._try()
        self._writer.tend(self._reading.cursors, sync=True, last=True)
        self._writer.close()

    def _try(self) -> None:
        try:
            self._cycle()
        except Exception:  # noqa: BLE001 - the edge of the thread: nobody else would hear of it, and the next record may do
            _log.exception("The monitor's thread stumbled.")
            self._meter.dropped("fault", self._writer.forget())

    def _cycle(self) -> None:
        hurried = self._hurry.is_set()
        flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
        while True:
            if not self._writer.pending:
                relaxed = not hurried and len(self._queue) < self._room.records // 2
                self._writer.encode(self._some(), paced=relaxed)
            if not self._writer.pending and not self._queue:
                break
            entries = self._writer.store(self._reading.cursors, anyway=bool(flushes))
            if entries is None:
                break
            if entries:
                self._tell(self._reading.landed, entries)
        self._writer.tend(self._reading.cursors, sync=bool(flushes))
        if self._writer.pending:
            self._flushes.extend(flushes)
            return
        for flushed in flushes:
            if flushed.set_running_or_notify_cancel():
                flushed.set_result(None)

    def _some(self) -> Sequence[Recordable]:
        some: list[Recordable] = []
        size = 0
        while self._queue and len(some) < _TOGETHER and size < _TOGETHER_BYTES:
            answer, each = self._queue.popleft()
            some.append(answer)
            size += each
        self._written_bytes += size
        return some

    def _tell(self, what: Callable[..., None], *values: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *values)
        except RuntimeError:
            # The loop is closed: the records are on the disk, and the next process ships them.
            return


@asynccontextmanager
async def spooling(
    folder: Path,
    upkeep: Upkeep,
    clock: Clock,
    meter: SpoolMeter,
    *,
    sinks: Sequence[str],
    prepare: Sequence[Prepare] = (),
    room: Room | None = None,
) -> AsyncIterator[tuple[Spooling, Reading]]:
    """The two sides of a spool for these sinks. Raises `StoreBusy` when another process has the folder.

    Who leaves has flushed; what is in memory then is lost.
    """
    writer = Writer(folder, upkeep, clock, meter, prepare=prepare, sinks=sinks)
    writer.open()
    reading = Reading(
        writer.segments,
        writer.loaded,
        clock,
        Quarantine(folder / "quarantine", meter),
        Refused(folder / "refused", clock),
    )
    linger_s = 0.0 if upkeep.fsync == "always" else min(_LINGER_S, upkeep.fsync_interval_s / 2)
    both = Spooling(writer, reading, room or Room(), meter, linger_s=linger_s)
    both.start()
    try:
        yield both, reading
    finally:
        await both.close(timeout_s=1.0)
