"""Pools, tenants and policies that cannot work are refused before anything starts."""

from typing import Any

import pytest

from tandem.app.settings import load_settings
from tandem.app.traffic import tenants
from tandem.domain.errors import ConfigurationError
from tandem.domain.tenants import Priority


def pool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "endpoints": [{"url": "http://llm"}], **more}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"pools": [pool("a"), pool("a")]}, "same name"),
        ({"pools": [pool("a", endpoints=[])]}, "pools.0.endpoints"),
        ({"pools": [pool("A b")]}, "pools.0.name"),
        ({"pools": [pool("a", region="eu")], "tenants": {"acme": {"regions": ["us"]}}}, "tenants.acme.regions"),
        ({"pools": [pool("a", region="eu")], "collections": {"hr": {"regions": ["us"]}}}, "collections.hr.regions"),
        ({"default_tenant": {"regions": []}}, "default_tenant.regions"),
        ({"pools": [pool("a", spill={"queue_wait_s": 1, "return_wait_s": 2})]}, "return_wait_s"),
        ({"pools": [pool("a", spill={"schedule": [{"start": "10:00", "end": "10:00"}]})]}, "the same"),
        ({"admission": {"min": 5, "initial": 2, "max": 9}}, "min <= initial <= max"),
        ({"resilience": {"retry_share": 2}}, "resilience.retry_share"),
        ({"pools": [pool("a", colour="red")]}, "pools.0.colour"),
    ],
)
def test_what_cannot_work_is_named(chosen: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_settings(**chosen)


def test_policies_become_tenants() -> None:
    chosen = load_settings(
        pools=[pool("a", region="eu")],
        tenants={"acme": {"priority": "high", "weight": 2, "concurrency": 3, "regions": ["eu"]}},
        default_tenant={"requests_per_minute": 60},
    )
    known = tenants(chosen.tenants, chosen.default_tenant)
    acme, other = known.of("acme"), known.of("other")
    assert (acme.priority, acme.weight, acme.concurrency, acme.regions) == (Priority.high, 2, 3, frozenset({"eu"}))
    assert acme.limited
    assert (other.name, other.requests_per_minute, other.regions) == ("other", 60, None)


def test_pools_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_POOLS", '[{"name": "a", "endpoints": [{"url": "http://llm"}]}]')
    monkeypatch.setenv("TANDEM_TENANTS", '{"acme": {"weight": 3}}')
    chosen = load_settings()
    assert chosen.pools[0].endpoints[0].url == "http://llm"
    assert chosen.tenants["acme"].weight == 3
