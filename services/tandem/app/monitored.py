"""The monitor of a process that answers: spool, sinks, and the way between them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tandem.app.clock import SystemClock
from tandem.app.guarded import Guarded, kept_going
from tandem.app.settings import Settings
from tandem.app.sinks import sinks
from tandem.app.telemetry import service_name
from tandem.observe.metrics import Metrics
from tandem.observe.monitoring import MonitorMetrics, SpoolGauges
from tandem.pipeline.monitoring import Prepare, Unmonitored
from tandem.pipeline.shipping import Pace, Shipping, left
from tandem.ports.monitor import Monitor
from tandem.ports.sink import Sink


@asynccontextmanager
async def monitor(
    settings: Settings,
    metrics: Metrics,
    *,
    prepare: Sequence[Prepare] = (),
    beside: Sequence[tuple[Sink, Pace]] = (),
    around: Callable[[Sink], Sink] = lambda sink: sink,
    retrieves: bool = True,
) -> AsyncIterator[Monitor]:
    """Told of every answer. `prepare` is what becomes of a record before it touches disk or wire; `beside` are more sinks;
    `around` each of them stands what this makes of it. `retrieves`: retrieval is this process's work, no peer's.

    Left, it has drained: records are on the disk, and what fitted into `monitor.drain_timeout_s` is shipped.
    """
    if not settings.monitor.enabled:
        yield Unmonitored()
        return
    meter = MonitorMetrics(metrics)
    async with sinks(settings, meter, service_name(metrics.target), retrieves=retrieves) as configured:
        ways = [(around(sink), pace) for sink, pace in (*configured, *beside)]
        if not ways:
            yield Unmonitored()
            return
        async with _spooled(settings, metrics, meter, prepare, ways) as spooled:
            yield spooled


@asynccontextmanager
async def _spooled(
    settings: Settings,
    metrics: Metrics,
    meter: MonitorMetrics,
    prepare: Sequence[Prepare],
    ways: Sequence[tuple[Sink, Pace]],
) -> AsyncIterator[Monitor]:
    from tandem.adapters.spool.spooling import Room, spooling
    from tandem.adapters.spool.writing import Upkeep

    chosen, spool = settings.monitor, settings.monitor.spool
    async with spooling(
        spool.dir or settings.data_dir / "monitor",
        Upkeep(spool.fsync, spool.fsync_interval_s, spool.segment_bytes, spool.max_bytes, spool.on_full),
        SystemClock(),
        meter,
        sinks=[sink.name for sink, _ in ways],
        prepare=prepare,
        room=Room(chosen.queue_records, chosen.queue_bytes),
    ) as (spooled, shelf):
        metrics.registry.register(SpoolGauges(spooled.census))
        ships = [Shipping(shelf, Guarded(sink), meter, pace) for sink, pace in ways]
        tasks = [asyncio.create_task(kept_going(shipping)) for shipping in ships]
        try:
            yield spooled
        finally:
            ends_s = asyncio.get_running_loop().time() + chosen.drain_timeout_s
            await spooled.flush(chosen.drain_timeout_s)
            await left(ships, tasks, max(0.0, ends_s - asyncio.get_running_loop().time()))
