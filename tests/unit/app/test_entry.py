"""The way in, as settings open it."""

import sys
from typing import Any

import pytest

from tandem.admission.identity import Caller
from tandem.app.entry import identity, quotas
from tandem.app.settings import load_settings
from tandem.domain.errors import ConfigurationError, Unauthenticated
from tandem.domain.quota import Standing
from tandem.observe.metrics import Metrics

METRICS = Metrics("0", "test")
KEY = {"name": "ci", "sha256": "0" * 64}


async def test_without_keys_everyone_is_the_default_tenant() -> None:
    async with identity(load_settings(), "all", METRICS) as known:
        assert not known.required
        # Whoever reaches the listener may do everything, as on a laptop.
        assert await known.caller(None) == Caller("anonymous", "default", admin=True)
        with pytest.raises(Unauthenticated):
            await known.caller(None, "acme")


async def test_a_retriever_without_keys_believes_its_gateways() -> None:
    async with identity(load_settings(), "retriever", METRICS) as known:
        assert (await known.caller(None, "acme")).tenant == "acme"
    async with identity(load_settings(auth={"mode": "keys", "keys": [KEY]}), "retriever", METRICS) as known:
        with pytest.raises(Unauthenticated):
            await known.caller(None, "acme")


async def test_keys_that_are_listed_but_not_asked_for_change_nothing() -> None:
    async with identity(load_settings(auth={"keys": [KEY]}), "all", METRICS) as known:
        assert not known.required


async def test_two_callers_with_one_key_are_told_at_the_start() -> None:
    twice = load_settings(auth={"mode": "keys", "keys": [KEY, {**KEY, "name": "cd"}]})
    with pytest.raises(ConfigurationError, match="are the same"):
        async with identity(twice, "all", METRICS):
            pass


async def test_quotas_follow_the_settings() -> None:
    settings = load_settings(
        tenants={"acme": {"requests_per_minute": 2}}, default_tenant={"concurrency": 1}, quotas={"lease_s": 5}
    )
    async with quotas(settings, METRICS) as counted:
        standing = Standing()
        async with counted.request(counted.tenants.of("acme"), standing):
            assert standing.requests is not None
            assert standing.requests.remaining == 1
        assert counted.tenants.of("anyone").concurrency == 1


@pytest.mark.parametrize(
    ("module", "chosen", "extra"),
    [
        ("tandem.adapters.quotas.redis", {"quotas": {"store_url": "redis://127.0.0.1"}}, "redis"),
        (
            "tandem.adapters.identity.signed_tokens",
            {"auth": {"mode": "jwt", "jwt": {"jwks_url": "http://127.0.0.1/", "audience": "tandem"}}},
            "jwt",
        ),
    ],
)
async def test_what_is_not_installed_is_named(
    module: str, chosen: dict[str, Any], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    settings = load_settings(**chosen)
    with pytest.raises(ConfigurationError) as refused:
        async with quotas(settings, METRICS), identity(settings, "all", METRICS):
            pass
    assert refused.value.hint == f"Install tandem-rag[{extra}]."
