"""Every metric of our own that a process can show, as the reference page and the dashboards' generator read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from tandem.adapters.spool.meter import SpoolCensus
from tandem.http.edge.census import Census
from tandem.observe.connections import ConnectionMetrics
from tandem.observe.metrics import Metrics, PrivacyCounters, RecordCounters, ReleaseCounters
from tandem.observe.monitoring import SpoolGauges
from tandem.observe.traffic import PoolGauges

_UNITS = {"seconds": "s", "bytes": "bytes", "tokens": "tokens", "token": "tokens", "cost": "currency of the prices"}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric under the name that it is shown by; `labels` are its own, without what scraping adds."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]

    @property
    def unit(self) -> str:
        """By Prometheus' conventions the name tells it; empty for plain numbers."""
        words = self.name.removesuffix("_total").split("_")
        return next((unit for word, unit in _UNITS.items() if word in words), "")

    @property
    def series(self) -> tuple[str, ...]:
        """The names that queries know it by."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (self.name,)


def families(*begins: str) -> Iterator[Family]:
    """All whose names begin so, `tandem_` unless told otherwise; those read at a scrape included."""
    registry: CollectorRegistry = Metrics("0", "all").registry
    # Of processes that keep records of answers.
    RecordCounters(registry)
    PrivacyCounters(registry)
    # Of those that answer.
    ReleaseCounters(registry)
    # Of a histogram without a child nothing is collected, and so no labels either: the collector has them.
    labels: dict[str, tuple[str, ...]] = {
        name: tuple(getattr(collector, "_labelnames", ()))
        for collector, names in registry._collector_to_names.items()  # noqa: SLF001  # nothing else tells the labels
        for name in names
    }
    read = (PoolGauges(tuple), ConnectionMetrics(Census()), SpoolGauges(lambda: SpoolCensus(0, 0, 0, 0.0, True, ())))
    for each in read:
        labels |= {family.name: _labels(family) for family in each.collect()}
        registry.register(each)
    for family in registry.collect():
        if family.name.startswith(begins or ("tandem_",)):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Family(name, family.type, family.documentation, labels.get(family.name, ()))


def _labels(family: Any) -> tuple[str, ...]:
    return tuple(getattr(family, "_labelnames", ()))
