"""Keys, tenants, and who may speak for whom."""

import hashlib

import pytest

from tandem.admission.identity import Caller, Identity
from tandem.admission.keys import Key
from tandem.domain.errors import InvalidRequest, Unauthenticated


def key(
    name: str,
    secret: str,
    tenant: str = "default",
    *,
    peer: bool = False,
    groups: tuple[str, ...] = (),
    admin: bool = False,
) -> Key:
    return Key(name, hashlib.sha256(secret.encode()).hexdigest(), tenant, peer, groups, admin)


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
    assert await KNOWN.caller("Bearer two", "north") == Caller("gateway", "north", admin=True, peer=True)
    assert await KNOWN.caller("Bearer two") == Caller("gateway", "default", admin=True, peer=True)


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
    assert (
        await anyone.caller(None)
        == await anyone.caller("Bearer x", "default")
        == Caller("anonymous", "default", admin=True)
    )
    with pytest.raises(Unauthenticated):
        await anyone.caller(None, "north")
    assert await Identity(trust_tenant=True).caller(None, "north") == Caller(
        "anonymous", "north", admin=True, peer=True
    )


async def test_trusting_tenants_does_not_weaken_keys() -> None:
    with pytest.raises(Unauthenticated):
        await Identity([key("ci", "one", "acme")], trust_tenant=True).caller("Bearer one", "north")


HR = Identity([key("ann", "one", "acme", groups=("hr", "eng")), key("gateway", "two", "acme", peer=True)])


async def test_a_key_s_groups_are_its_caller_s() -> None:
    assert await HR.caller("Bearer one") == Caller("ann", "acme", ("eng", "hr"))


@pytest.mark.parametrize("groups", [("board",), ("hr",), ("hr", "eng", "board"), ("*",), (), ("HR", "eng")])
async def test_nobody_but_a_peer_names_groups(groups: tuple[str, ...]) -> None:
    with pytest.raises(Unauthenticated, match="groups"):
        await HR.caller("Bearer one", None, groups)


async def test_naming_one_s_own_groups_is_no_claim() -> None:
    assert (await HR.caller("Bearer one", "acme", ("hr", "eng"))).groups == ("eng", "hr")
    assert (await Identity().caller(None, None, ())).groups == ()


async def test_a_peer_names_its_caller_s_groups() -> None:
    assert (await HR.caller("Bearer two", "north", ("b", "a", "b"))).groups == ("a", "b")
    assert (await HR.caller("Bearer two", "north", ("*",))).groups == ("*",)
    assert (await HR.caller("Bearer two", "north")).groups == ()


async def test_a_peer_s_own_groups_are_of_its_own_tenant() -> None:
    own = Identity([key("gateway", "two", "acme", peer=True, groups=("hr",))])
    assert (await own.caller("Bearer two")).groups == ("hr",)
    assert (await own.caller("Bearer two", "acme")).groups == ("hr",)
    assert (await own.caller("Bearer two", "acme", ())).groups == ()
    assert (await own.caller("Bearer two", "north")).groups == ()


@pytest.mark.parametrize("name", ["a\x00b", "x" * 129, " hr", "h\u200br", "\u202ehr"])
async def test_a_peer_s_groups_must_be_names(name: str) -> None:
    with pytest.raises(InvalidRequest):
        await HR.caller("Bearer two", "north", (name,))


async def test_too_many_groups_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        await HR.caller("Bearer two", "north", tuple(map(str, range(201))))
    with pytest.raises(InvalidRequest):
        await HR.caller("Bearer two", "north", tuple(f"{'ä' * 120}{number}" for number in range(199)))


async def test_who_is_an_admin() -> None:
    keyed = Identity([key("ann", "one"), key("ops", "two", admin=True), key("gateway", "three", peer=True)])
    admins = [(await keyed.caller(f"Bearer {secret}")).admin for secret in ("one", "two", "three")]
    assert admins == [False, True, True]
    assert (await Identity().caller(None)).admin


async def test_without_keys_everyone_is_in_the_open_groups() -> None:
    assert (await Identity(open_groups=("staff",)).caller(None)).groups == ("staff",)
