"""Which tenants have series of their own."""

from tandem.observe.metrics import Metrics
from tandem.observe.tenants import Tenants


def test_only_the_first_of_those_that_are_configured() -> None:
    tenants = Tenants(["acme", "zoo", "acme", "late"], 2)
    assert [tenants.label(name) for name in ("acme", "zoo", "late", "made-up")] == ["acme", "zoo", "other", "other"]


def test_series_do_not_grow_with_strangers() -> None:
    metrics = Metrics("1", "all", Tenants(["acme"], 10))
    for number in range(100):
        metrics.ended("/v1/retrieve", 200, 0.1, f"stranger-{number}", None)
    metrics.ended("/v1/retrieve", 429, 0.1, "acme", None)
    counted = metrics.registry.get_sample_value
    assert counted("tandem_tenant_requests_total", {"tenant": "other", "outcome": "ok"}) == 100
    assert counted("tandem_tenant_requests_total", {"tenant": "acme", "outcome": "limited"}) == 1
