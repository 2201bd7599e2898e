"""What a genuine token says of its bearer."""

from typing import Any

import pytest

from tandem.admission.claims import vouched
from tandem.admission.identity import Caller, Identity
from tandem.admission.keys import KeyRing
from tandem.domain.errors import Unauthenticated
from tandem.ports.tokens import Vouched


@pytest.mark.parametrize(
    ("claims", "path", "tenant"),
    [
        ({"tenant": "acme"}, "tenant", "acme"),
        ({"org": {"id": "acme"}}, "org.id", "acme"),
        ({"https://id.test/tenant": "acme"}, "https://id.test/tenant", "acme"),
        ({"org.id": "whole", "org": {"id": "nested"}}, "org.id", "whole"),
    ],
)
def test_the_claim_names_the_tenant(claims: dict[str, Any], path: str, tenant: str) -> None:
    assert vouched({"sub": "ann", **claims}, path) == Vouched("ann", tenant)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"org": None},
        {"org": "acme"},
        {"org": {"id": None}},
        {"org": {"id": 7}},
        {"org": {"id": "A b"}},
        {"org": []},
    ],
)
def test_without_a_tenant_nobody_gets_in(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        vouched(claims, "org.id")
    assert refused.value.hint


def test_long_subjects_are_told_apart_by_a_short_name() -> None:
    one, other = (vouched({"sub": "x" * 500 + end, "tenant": "acme"}, "tenant").subject for end in "ab")
    assert len(one) == len(other) == 100
    assert one != other
    assert vouched({"sub": "x" * 100, "tenant": "acme"}, "tenant").subject == "x" * 100


@pytest.mark.parametrize("sub", [None, 7, ""])
def test_nobody_in_particular_is_not_let_in(sub: object) -> None:
    with pytest.raises(Unauthenticated, match="no claim sub"):
        vouched({"sub": sub, "tenant": "acme"}, "tenant")


class OneToken:
    async def check(self, token: str) -> Vouched:
        if token != "good":
            raise Unauthenticated("The token is not good.", hint="Get a new one.")
        return Vouched("ann", "acme")


async def test_tokens_are_asked_for_what_is_no_key() -> None:
    identity = Identity(KeyRing(), OneToken())
    assert await identity.caller("Bearer good") == Caller("ann", "acme", person=True)
    for header, tenant in (("Bearer bad", None), (None, None), ("Basic good", None), ("Bearer good", "north")):
        with pytest.raises(Unauthenticated):
            await identity.caller(header, tenant)


@pytest.mark.parametrize(
    ("told", "groups"),
    [
        (["hr", "eng"], ("eng", "hr")),
        ("eng  hr eng", ("eng", "hr")),
        (["Domain Users", "/finance/eu", "6f9619ff-8b86"], ("/finance/eu", "6f9619ff-8b86", "Domain Users")),
        ([], ()),
        ("", ()),
        (None, ()),
    ],
)
def test_the_claim_lists_the_groups(told: object, groups: tuple[str, ...]) -> None:
    claims = {"sub": "ann", "tenant": "acme", "realm": {"groups": told}}
    assert vouched(claims, "tenant", "realm.groups").groups == groups
    assert vouched(claims, "tenant").groups == ()


@pytest.mark.parametrize(
    "told",
    [
        7,
        True,
        {"hr": 1},
        ["hr", 7],
        [["hr"]],
        ["*"],
        "*",
        "hr *",
        [""],
        ["h\x00r"],
        ["h\u200br"],
        ["\u202ehr"],
        ["x" * 129],
        ["\ud800"],
        [str(number) for number in range(201)],
        ["ä" * 128] * 200,
    ],
)
def test_groups_that_cannot_be_let_nobody_in(told: object) -> None:
    with pytest.raises(Unauthenticated) as refused:
        vouched({"sub": "ann", "tenant": "acme", "groups": told}, "tenant", "groups")
    assert refused.value.hint


async def test_members_of_the_admins_group_are_admins() -> None:
    class Grouped:
        async def check(self, token: str) -> Vouched:
            return Vouched("ann", "acme", tuple(token.split("+")))

    identity = Identity(KeyRing(), Grouped(), admin_group="ops")
    assert await identity.caller("Bearer ops+eng") == Caller("ann", "acme", ("eng", "ops"), admin=True, person=True)
    assert not (await identity.caller("Bearer eng")).admin
    assert not (await Identity(KeyRing(), Grouped()).caller("Bearer ops")).admin
