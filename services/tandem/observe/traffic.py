"""Traffic to the predictor pools, counted; and how the pools are doing, read when the metrics are."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tandem.domain.generation import Usage
from tandem.generation.breaker import BreakerState
from tandem.observe.metrics import POOL_GAUGES, Metrics
from tandem.pipeline.traffic import PoolLoad


class TrafficMetrics:
    """`pipeline/traffic.py`'s meter over one process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        # Looking a child up costs twice what counting does; pools and reasons are few.
        self._entered: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def entered(self, pool: str, reason: str, waited_s: float) -> None:
        """A request got a slot."""
        children = self._entered.get((pool, reason))
        if children is None:
            children = self._metrics.pool_requests.labels(pool, reason), self._metrics.pool_wait_seconds.labels(pool)
            self._entered[pool, reason] = children
        requests, wait_s = children
        requests.inc()
        wait_s.observe(waited_s)

    def refused(self, pool: str, reason: str) -> None:
        """It got none."""
        self._metrics.pool_refusals.labels(pool, reason).inc()

    def forbidden(self) -> None:
        """Policy left no pool."""
        self._metrics.residency_refusals.inc()

    def retried(self, pool: str, reason: str) -> None:
        """Another try, or one that the budget refused."""
        self._metrics.retries.labels(pool, reason).inc()

    def spent(self, tenant: str, usage: Usage, cost: float) -> None:
        """What a tenant's request took."""
        self._metrics.spent(tenant, usage, cost)


class PoolGauges(Collector):
    """The gauges of all pools; `load` is asked at every scrape."""

    def __init__(self, load: Callable[[], Sequence[PoolLoad]]) -> None:
        self._load = load

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One family for each gauge."""
        families = {
            name: GaugeMetricFamily(
                name, meaning, labels=["pool", "breaker"] if name.endswith("endpoints") else ["pool"]
            )
            for name, meaning in POOL_GAUGES.items()
        }
        for pool in self._load():
            values = {
                "tandem_generation_demand": pool.demand,
                "tandem_pool_limit": pool.limit,
                "tandem_pool_running": pool.running,
                "tandem_pool_background": pool.background,
                "tandem_pool_waiting": pool.waiting,
                "tandem_pool_held": pool.held,
                "tandem_pool_tokens_today": pool.spent_tokens,
                "tandem_pool_cost_today": pool.spent_cost,
            }
            for name, value in values.items():
                families[name].add_metric([pool.pool], value)
            for state in BreakerState:
                families["tandem_pool_endpoints"].add_metric([pool.pool, state], pool.breakers.count(state))
        return families.values()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Their names, so that no other metric takes one."""
        return [GaugeMetricFamily(name, meaning) for name, meaning in POOL_GAUGES.items()]
