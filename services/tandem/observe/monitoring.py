"""Prompt monitoring, counted; and how its spool is doing, read when the metrics are."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tandem.observe.metrics import SINK_GAUGES, SPOOL_GAUGES, Metrics, RecordCounters


class MonitorMetrics:
    """The meter of spool and shipping over one process's metrics. Reasons and sinks are few."""

    def __init__(self, metrics: Metrics) -> None:
        self._records = RecordCounters(metrics.registry)

    def written(self, records: int) -> None:
        """They are in the spool."""
        self._records.written.inc(records)

    def dropped(self, reason: str, records: int = 1) -> None:
        """They reach no sink."""
        self._records.dropped.labels(reason).inc(records)

    def damaged(self, reason: str) -> None:
        """A piece of the spool was put aside."""
        self._records.damaged.labels(reason).inc()

    def shipped(self, sink: str, records: int) -> None:
        """The sink has them."""
        self._records.shipped.labels(sink).inc(records)

    def ship_failed(self, sink: str, reason: str) -> None:
        """It did not take them this time."""
        self._records.ship_failures.labels(sink, reason).inc()

    def refused(self, sink: str) -> None:
        """It will never take one."""
        self._records.refused.labels(sink).inc()


class Lag(Protocol):
    """What a sink has not got."""

    @property
    def sink(self) -> str:
        """Its name."""
        ...

    @property
    def records(self) -> int:
        """So many."""
        ...

    @property
    def seconds(self) -> float:
        """The age of the oldest."""
        ...


class Census(Protocol):
    """The spool at one moment."""

    @property
    def queued(self) -> int:
        """Records that are not on the disk."""
        ...

    @property
    def records(self) -> int:
        """Records on it that some sink has not got."""
        ...

    @property
    def bytes(self) -> int:
        """Its size."""
        ...

    @property
    def oldest_s(self) -> float:
        """Age of the oldest record that some sink has not got."""
        ...

    @property
    def writable(self) -> bool:
        """False while the disk takes nothing."""
        ...

    @property
    def sinks(self) -> Sequence[Lag]:
        """Each one."""
        ...


class SpoolGauges(Collector):
    """The gauges of the spool; `census` is asked at every scrape."""

    def __init__(self, census: Callable[[], Census]) -> None:
        self._census = census

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One family for each gauge."""
        now = self._census()
        values = (now.queued, now.records, now.bytes, now.oldest_s, float(now.writable))
        spool = [
            GaugeMetricFamily(name, meaning, value)
            for (name, meaning), value in zip(SPOOL_GAUGES.items(), values, strict=True)
        ]
        records, seconds = (GaugeMetricFamily(*named, labels=["sink"]) for named in SINK_GAUGES.items())
        for lag in now.sinks:
            records.add_metric([lag.sink], lag.records)
            seconds.add_metric([lag.sink], lag.seconds)
        return [*spool, records, seconds]

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Their names, so that no other metric takes one."""
        return [GaugeMetricFamily(name, meaning) for name, meaning in {**SPOOL_GAUGES, **SINK_GAUGES}.items()]
