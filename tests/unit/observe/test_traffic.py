"""Traffic as Prometheus sees it."""

from tandem.generation.breaker import BreakerState
from tandem.observe.metrics import POOL_GAUGES, Metrics
from tandem.observe.traffic import PoolGauges, TrafficMetrics
from tandem.pipeline.traffic import PoolLoad

LOAD = PoolLoad("base", 8, 5, 3, 1, 9, 120, 0.5, (BreakerState.closed, BreakerState.closed, BreakerState.open), 2)


def test_what_happens_to_requests_is_counted() -> None:
    metrics = Metrics("1", "test")
    meter = TrafficMetrics(metrics)
    meter.entered("base", "preferred", 0.5)
    meter.refused("base", "full")
    meter.forbidden()
    meter.retried("base", "unavailable")
    value = metrics.registry.get_sample_value
    assert value("tandem_pool_requests_total", {"pool": "base", "reason": "preferred"}) == 1
    assert value("tandem_pool_wait_seconds_sum", {"pool": "base"}) == 0.5
    assert value("tandem_pool_refusals_total", {"pool": "base", "reason": "full"}) == 1
    assert value("tandem_residency_refusals_total") == 1
    assert value("tandem_generation_retries_total", {"pool": "base", "reason": "unavailable"}) == 1


def test_the_gauges_are_read_at_every_scrape() -> None:
    metrics = Metrics("1", "test")
    load = [LOAD]
    metrics.registry.register(PoolGauges(lambda: load))
    value = metrics.registry.get_sample_value
    told = {name: value(name, {"pool": "base"}) for name in POOL_GAUGES if not name.endswith("endpoints")}
    assert told == {
        "tandem_generation_demand": 9,
        "tandem_pool_limit": 8,
        "tandem_pool_running": 5,
        "tandem_pool_background": 2,
        "tandem_pool_waiting": 3,
        "tandem_pool_held": 1,
        "tandem_pool_tokens_today": 120,
        "tandem_pool_cost_today": 0.5,
    }
    assert value("tandem_pool_endpoints", {"pool": "base", "breaker": "closed"}) == 2
    assert value("tandem_pool_endpoints", {"pool": "base", "breaker": "open"}) == 1
    load.clear()
    assert value("tandem_pool_limit", {"pool": "base"}) is None
