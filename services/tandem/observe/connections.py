"""Clients' connections, read when the metrics are."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tandem.observe.metrics import CONNECTION_METRICS


class Census(Protocol):
    """`http/edge/census.py` is one."""

    open: int

    @property
    def closed(self) -> Mapping[Any, int]:
        """Connections that the server ended, by reason (a str)."""
        ...


class ConnectionMetrics(Collector):
    """Counts of `census`; the connection itself pays an addition."""

    def __init__(self, census: Census) -> None:
        self._census = census

    def collect(self) -> Iterable[Metric]:
        """How many there are, and how many were turned away."""
        gauge, counter = self.describe()
        gauge.add_metric([], self._census.open)
        for reason, number in self._census.closed.items():
            counter.add_metric([str(reason)], number)
        return gauge, counter

    def describe(self) -> tuple[GaugeMetricFamily, CounterMetricFamily]:
        """Their names, so that no other metric takes one."""
        (open_, meaning), (closed, told) = CONNECTION_METRICS.items()
        return GaugeMetricFamily(open_, meaning), CounterMetricFamily(closed, told, labels=["reason"])
