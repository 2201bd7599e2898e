"""Spans to a receiver, in the background: bounded, in batches, and counted where they get lost."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.proto.trace.v1 import trace_pb2 as wire

from tandem.adapters.otlp.collector import TRACES, Collector
from tandem.adapters.otlp.encoding import trace_request
from tandem.adapters.otlp.steps import step_message
from tandem.domain.errors import DocumentRejected, Overloaded, UpstreamUnavailable
from tandem.domain.span import Span

# Encoded in one go: half a millisecond of the event loop.
_AT_ONCE = 64


_log = logging.getLogger("tandem.telemetry")


class ExportMeter(Protocol):
    """Counts what became of spans."""

    def sent(self, number: int) -> None:
        """A receiver took them."""
        ...

    def lost(self, number: int, reason: str) -> None:
        """Nobody gets them: full, refused or left_over."""
        ...

    def failed(self, why: str) -> None:
        """An attempt to send; it is made again."""
        ...

    def waiting(self, number: int) -> None:
        """So many are kept now."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """`room` spans wait at most; they go each `every_s`, or as soon as there are `batch`. `pause_s` after a failure,
    twice as long each time up to `longest_pause_s`.
    """

    room: int = 8192
    batch: int = 512
    every_s: float = 2.0
    pause_s: float = 1.0
    longest_pause_s: float = 60.0


class Exporting:
    """`ports/tracer.py`'s `Spans` over a receiver. `resource` says which process the spans are of."""

    def __init__(
        self,
        collector: Collector,
        meter: ExportMeter,
        resource: Mapping[str, str],
        scope: tuple[str, str],
        schedule: Schedule,
    ) -> None:
        self._collector = collector
        self._meter = meter
        self._resource = resource
        self._scope = scope
        self._schedule = schedule
        self._waiting: deque[Span] = deque()
        self._due = asyncio.Event()

    def offer(self, spans: Sequence[Span]) -> None:
        """See the port. New ones are lost rather than old ones: half a trace tells little."""
        if len(self._waiting) + len(spans) > self._schedule.room:
            self._meter.lost(len(spans), "full")
            return
        self._waiting.extend(spans)
        if len(self._waiting) >= self._schedule.batch:
            self._due.set()

    async def run(self) -> None:
        """Send, for ever."""
        pause_s = self._schedule.pause_s
        while True:
            await self._until_due()
            try:
                await self.send()
                pause_s = self._schedule.pause_s
            except (UpstreamUnavailable, Overloaded) as error:
                self._meter.failed(error.message)
                await asyncio.sleep(max(pause_s, error.retry_after_s or 0.0))
                pause_s = min(2 * pause_s, self._schedule.longest_pause_s)

    async def send(self) -> None:
        """All that waits now. Raises `UpstreamUnavailable` or `Overloaded`; what was not sent then waits again."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._schedule.batch))]
            try:
                await self._collector.post(TRACES, trace_request(await _encoded(batch), self._resource, self._scope))
            except DocumentRejected:
                self._meter.lost(len(batch), "refused")
            except (ValueError, TypeError, OverflowError):
                # They would be in the way of all that come after them.
                _log.exception("Spans could not be written.")
                self._meter.lost(len(batch), "unencodable")
            except BaseException:
                self._waiting.extendleft(reversed(batch))
                raise
            else:
                self._meter.sent(len(batch))
            self._meter.waiting(len(self._waiting))

    async def end(self, within_s: float) -> None:
        """Send what is left, in the time that there is for it."""
        try:
            async with asyncio.timeout(within_s):
                await self.send()
        except (UpstreamUnavailable, Overloaded, TimeoutError):
            self._meter.lost(len(self._waiting), "left_over")
            self._waiting.clear()

    async def _until_due(self) -> None:
        self._meter.waiting(len(self._waiting))
        try:
            async with asyncio.timeout(self._schedule.every_s):
                await self._due.wait()
        except TimeoutError:
            pass
        self._due.clear()


async def _encoded(spans: Iterable[Span]) -> list[wire.Span]:
    """In slices, so that tokens pass in between."""
    messages: list[wire.Span] = []
    for span in spans:
        messages.append(step_message(span))
        if len(messages) % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return messages


@asynccontextmanager
async def exporting(
    collector: Collector,
    meter: ExportMeter,
    resource: Mapping[str, str],
    scope: tuple[str, str],
    schedule: Schedule,
    end_s: float,
) -> AsyncIterator[Exporting]:
    """Sends while the context is open; left, what waits is sent within `end_s`."""
    spans = Exporting(collector, meter, resource, scope, schedule)
    task = asyncio.create_task(spans.run(), name="spans to the collector")
    try:
        yield spans
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await spans.end(end_s)
