"""Keys, tenants, and who may speak for whom."""

import hashlib

import pytest

from tandem.admission.identity import Caller, Identity
from tandem.admission.keys import Key
from tandem.domain.errors import InvalidRequest, Unauthenticated


def key(name: str, secret: str, tenant: str = "default", *, peer: bool = False) -> Key:
    return Key(name, hashlib.sha256(secret.encode()).hexdigest(), tenant, peer)


KNOWN = Identity([key("ci", "one", "acme"), key("gateway", "two", peer=True)])


@pytest.mark.parametrize("header", ["Bearer one", "bearer one", "BEARER  one "])
async def test_a_known_key_names_its_caller(header: str) -> None:
    assert await KNOWN.caller(header) == Caller("ci", "acme")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic one", "one", "Bearer three", "Bearer One", "Bearer ö"]
)
async def test_anything_else_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await KNOWN.caller(header)
    assert refused.value.hint


async def test_naming_one_s_own_tenant_is_no_claim() -> None:
    assert await KNOWN.caller("Bearer one", "acme") == Caller("ci", "acme")


async def test_a_peer_speaks_for_anyone() -> None:
    assert await KNOWN.caller("Bearer two", "north") == Caller("gateway", "north")
    assert await KNOWN.caller("Bearer two") == Caller("gateway", "default")


@pytest.mark.parametrize("tenant", ["default", "north", ""])
async def test_others_speak_for_themselves(tenant: str) -> None:
    with pytest.raises(Unauthenticated, match="another tenant"):
        await KNOWN.caller("Bearer one", tenant)


@pytest.mark.parametrize("tenant", ["", "North", "a b", "../x", "-a", "x" * 64])
async def test_a_peer_s_tenant_must_be_a_name(tenant: str) -> None:
    with pytest.raises(InvalidRequest):
        await KNOWN.caller("Bearer two", tenant)


async def test_without_keys_everyone_is_the_default_tenant() -> None:
    anyone = Identity()
    assert not anyone.required
    assert KNOWN.required
    assert await anyone.caller(None) == await anyone.caller("Bearer x", "default") == Caller("anonymous", "default")
    with pytest.raises(Unauthenticated):
        await anyone.caller(None, "north")
    assert await Identity(trust_tenant=True).caller(None, "north") == Caller("anonymous", "north")


async def test_trusting_tenants_does_not_weaken_keys() -> None:
    with pytest.raises(Unauthenticated):
        await Identity([key("ci", "one", "acme")], trust_tenant=True).caller("Bearer one", "north")
