"""Metrics to a receiver, now and then: what is not taken is told again, since all counts are since the beginning."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from prometheus_client import CollectorRegistry

from tandem.adapters.otlp.collector import METRICS, Collector
from tandem.adapters.otlp.metrics import metrics_request
from tandem.domain.errors import TandemError

_END_S = 2.0


class ReportMeter(Protocol):
    """Counts what became of it."""

    def sent(self, number: int) -> None:
        """A receiver took so many reports."""
        ...

    def failed(self, why: str) -> None:
        """It did not."""
        ...


class Reporting:
    """All of `registry`, each `every_s`."""

    def __init__(
        self,
        collector: Collector,
        registry: CollectorRegistry,
        meter: ReportMeter,
        resource: Mapping[str, str],
        scope: tuple[str, str],
        epoch_s: Callable[[], float],
        every_s: float,
    ) -> None:
        self._collector = collector
        self._registry = registry
        self._meter = meter
        self._resource = resource
        self._scope = scope
        self._epoch_s = epoch_s
        self._every_s = every_s
        self._began_at = epoch_s()

    async def run(self) -> None:
        """Report, for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.report()

    async def report(self) -> None:
        """Once, now."""
        # Read where they are counted, and encoded elsewhere: that takes milliseconds.
        try:
            families, now_at = list(self._registry.collect()), self._epoch_s()
            body = await asyncio.to_thread(
                metrics_request, families, self._began_at, now_at, self._resource, self._scope
            )
            await self._collector.post(METRICS, body)
            self._meter.sent(1)
        except TandemError as error:
            self._meter.failed(error.message)
        except (ValueError, TypeError, OverflowError) as error:
            # One figure that cannot be told is no reason never to tell any more.
            self._meter.failed(f"the metrics could not be written: {type(error).__name__}")


@asynccontextmanager
async def reporting(reports: Reporting) -> AsyncIterator[None]:
    """Reports while the context is open, and once more at its end."""
    task = asyncio.create_task(reports.run(), name="metrics to the collector")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await reports.report()
