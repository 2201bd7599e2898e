"""From the spool to the sinks: a task for each, so that one that hangs holds up no other."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.errors import DocumentRejected, TandemError, UpstreamUnavailable
from tandem.domain.record import AnswerRecord
from tandem.ports.sink import Sink
from tandem.ports.spool import Position, Spool

_log = logging.getLogger("tandem.monitor")
_LONGEST_RETRY_AFTER_S = 3_600.0
# One that does not heed its cancellation ends with the process.
_MOMENT_S = 0.5


class ShippingMeter(Protocol):
    """Told of what becomes of records at a sink."""

    def shipped(self, sink: str, records: int) -> None:
        """The sink has them."""
        ...

    def ship_failed(self, sink: str, reason: str) -> None:
        """It did not take them this time."""
        ...

    def refused(self, sink: str) -> None:
        """It will never take one of them, which was put aside."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How one sink is shipped to: `most` records at a time; `linger_s` is waited for so many, 0: none is kept waiting.

    An attempt takes `timeout_s` at most; after a failure `retry_s` pass, doubled each time up to `longest_retry_s`.
    """

    most: int = 256
    linger_s: float = 0.0
    timeout_s: float = 30.0
    retry_s: float = 0.5
    longest_retry_s: float = 60.0


class Shipping:
    """One sink's way out of the spool."""

    def __init__(
        self,
        spool: Spool,
        sink: Sink,
        meter: ShippingMeter,
        pace: Pace | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self._sink = sink
        self._meter = meter
        self._pace = pace or Pace()
        self._chance = chance
        self._leaving = asyncio.Event()
        self._failures = 0

    def leave(self) -> None:
        """What there is now is tried once more at the most; then `run` returns."""
        self._leaving.set()

    async def run(self) -> None:
        """Ships until told to leave."""
        name, pace = self._sink.name, self._pace
        at: Position | None = None
        cut = False
        while True:
            try:
                # What a batch had no room for has waited already.
                if pace.linger_s and not cut:
                    await self._wait()
                batch = await self._spool.read(name, most=pace.most)
                cut = batch.cut
                if batch.records:
                    await self._deliver(batch.records)
                if batch.records or batch.upto != at:
                    await self._spool.shipped(name, batch.upto)
                    at = batch.upto
                elif self._leaving.is_set():
                    return
                else:
                    await self._wait()
            except _LeftBehind:
                return
            except UpstreamUnavailable as error:
                _log.warning("%s waits: %s", name, error.message)
                await self._unless_leaving(asyncio.sleep(pace.longest_retry_s), None)
                if self._leaving.is_set():
                    return

    async def _deliver(self, records: Sequence[AnswerRecord]) -> None:
        """Returns when each is shipped or put aside. Raises `_LeftBehind` when there is no more time for that."""
        left = [list(records)]
        while left:
            some = left[-1]
            fault = await self._attempt(some)
            if fault is None:
                left.pop()
            elif not fault.final:
                await self._pause(fault)
            elif len(some) > 1:
                half = len(some) // 2
                left[-1:] = [some[half:], some[:half]]
            else:
                await self._spool.refuse(self._sink.name, some[0], fault.reason)
                self._meter.refused(self._sink.name)
                left.pop()

    async def _attempt(self, records: Sequence[AnswerRecord]) -> "_Fault | None":
        name = self._sink.name
        try:
            async with asyncio.timeout(self._pace.timeout_s):
                await self._sink.ship(records)
        except DocumentRejected as error:
            self._meter.ship_failed(name, error.code)
            self._failures = 0
            return _Fault(error.message, final=True)
        except TimeoutError:
            fault = _Fault("it took too long", "deadline_exceeded")
        except TandemError as error:
            fault = _Fault(error.message, error.code, getattr(error, "retry_after_s", None))
        else:
            if self._failures:
                _log.warning("%s takes records again.", name)
            self._failures = 0
            self._meter.shipped(name, len(records))
            return None
        if not self._failures:
            _log.warning("%s takes no records, they wait in the spool: %s", name, fault.reason)
        self._failures += 1
        self._meter.ship_failed(name, fault.code)
        return fault

    async def _wait(self) -> None:
        """Until there is something, or it is time to leave."""
        await self._unless_leaving(self._spool.arrived(self._sink.name), None)
        if self._pace.linger_s:
            enough = self._spool.arrived(self._sink.name, records=self._pace.most)
            await self._unless_leaving(enough, self._pace.linger_s)

    async def _pause(self, fault: "_Fault") -> None:
        if self._leaving.is_set():
            raise _LeftBehind
        longest_s = min(self._pace.longest_retry_s, self._pace.retry_s * 2.0 ** min(self._failures - 1, 30))
        # Between half and all of it, so that many processes do not come back at the same time.
        pause_s = longest_s * (0.5 + self._chance() / 2)
        if fault.retry_after_s is not None:
            pause_s = max(pause_s, min(fault.retry_after_s, _LONGEST_RETRY_AFTER_S))
        await self._unless_leaving(asyncio.sleep(pause_s), None)

    async def _unless_leaving(self, what: Awaitable[None], timeout_s: float | None) -> None:
        tasks = [asyncio.ensure_future(what), asyncio.ensure_future(self._leaving.wait())]
        try:
            await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


async def left(ships: Iterable[Shipping], tasks: Iterable[asyncio.Task[None]], timeout_s: float) -> None:
    """All of them leave; what is not done in time is cancelled, and waited for no longer than a moment."""
    for shipping in ships:
        shipping.leave()
    running = set(tasks)
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=timeout_s)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_MOMENT_S)


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: str
    code: str = ""
    retry_after_s: float | None = None
    final: bool = False


class _LeftBehind(Exception):
    """There is no time to ship more."""
