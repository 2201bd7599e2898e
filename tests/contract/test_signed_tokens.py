"""Tokens against an identity provider on a real socket: good ones, forged ones, keys that change, a provider that is down."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest

from fakes.identity_provider import Provider, forged, identity_provider
from tandem.adapters.identity.published_keys import PublishedKeys, published_keys
from tandem.adapters.identity.signed_tokens import SignedTokens
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.admission.identity import Caller, Identity
from tandem.admission.keys import Key, KeyRing
from tandem.domain.errors import Unauthenticated, UpstreamUnavailable
from tandem.ports.tokens import Vouched


class Meter:
    def __init__(self) -> None:
        self.up: list[bool] = []

    def identity_provider(self, *, up: bool) -> None:
        self.up.append(up)


class House:
    """A provider with one key, and what checks its tokens."""

    def __init__(self, provider: Provider, keys: PublishedKeys, clock: ScriptedClock, meter: Meter) -> None:
        self.provider = provider
        self.keys = keys
        self.clock = clock
        self.meter = meter
        self.tokens = self.checking()

    def checking(self, **changed: Any) -> SignedTokens:
        chosen: dict[str, Any] = {
            "audience": "tandem",
            "issuer": "https://id.test",
            "algorithms": ("RS256", "ES256"),
            "tenant_claim": "tenant",
            "leeway_s": 30.0,
        }
        return SignedTokens(self.keys, **{**chosen, **changed})


@asynccontextmanager
async def opened(provider: Provider) -> AsyncIterator[House]:
    clock, meter = ScriptedClock(), Meter()
    async with published_keys(provider.url, clock, meter, cache_s=300, max_age_s=3600, refetch_s=10) as keys:
        yield House(provider, keys, clock, meter)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with identity_provider() as provider:
        provider.make("one")
        async with opened(provider) as known:
            yield known


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS256", "EdDSA"])
async def test_a_good_token_names_its_bearer_and_tenant(house: House, algorithm: str) -> None:
    house.provider.make("two", algorithm)
    house.clock.advance(11)
    tokens = house.checking(algorithms=[algorithm])
    for _ in range(2):
        assert await tokens.check(house.provider.sign("two")) == Vouched("ann", "acme")
    assert house.provider.fetched == 2


async def test_a_key_that_names_no_algorithm_takes_the_token_s(house: House) -> None:
    house.provider.make("two", "PS256", alg=None)
    del house.provider.published[-1]["alg"]
    house.clock.advance(11)
    await house.checking(algorithms=["PS256"]).check(house.provider.sign("two"))


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": int(time.time()) - 31}, "expired"),
    "not valid yet": ({"nbf": int(time.time()) + 3600}, "not valid yet"),
    "issued in the future": ({"iat": int(time.time()) + 3600}, "not valid yet"),
    "for another service": ({"aud": "other"}, "another service"),
    "for other services": ({"aud": ["other", "more"]}, "another service"),
    "by somebody else": ({"iss": "https://evil.test"}, "somebody else"),
    "without end": ({"exp": None}, "no claim exp"),
    "without audience": ({"aud": None}, "no claim aud"),
    "without issuer": ({"iss": None}, "no claim iss"),
    "without tenant": ({"tenant": None}, "names no tenant"),
    "with a tenant that is no name": ({"tenant": "Ac/me"}, "not a tenant's name"),
    "with an empty tenant": ({"tenant": ""}, "not a tenant's name"),
    "with many tenants": ({"tenant": ["acme", "umbrella"]}, "not a tenant's name"),
    "with an end that is no number": ({"exp": "soon"}, "form"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_token_is_refused(house: House, name: str) -> None:
    claims, told = CHANGES[name]
    with pytest.raises(Unauthenticated, match=told) as refused:
        await house.tokens.check(house.provider.sign(**claims))
    assert refused.value.hint


async def test_clocks_may_differ_a_little(house: House) -> None:
    now = int(time.time())
    await house.tokens.check(house.provider.sign(exp=now - 10))
    await house.tokens.check(house.provider.sign(nbf=now + 10))


def _unsigned(provider: Provider) -> str:
    return forged({"alg": "none", "typ": "JWT", "kid": "one"}, provider.claims())


def _signed_with_the_public_key(provider: Provider) -> str:
    # The classic confusion: the published key taken for a shared secret.
    secret = json.dumps(provider.published[0]).encode()
    unsigned = forged({"alg": "HS256", "typ": "JWT", "kid": "one"}, provider.claims()).rpartition(".")[0]
    signature = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{forged({}, {}, signature).rpartition('.')[2]}"


def _with_a_key_of_its_own(provider: Provider) -> str:
    provider.make("mine", publish=False)
    return provider.sign("mine", headers={"kid": "one", "jwk": provider.published[0], "jku": "http://127.0.0.1:9/"})


def _changed_after_signing(provider: Provider) -> str:
    head, _, signature = provider.sign().split(".")
    return ".".join([head, forged({}, {**provider.claims(), "tenant": "umbrella"}).split(".")[1], signature])


def _other_algorithm_than_its_key(provider: Provider) -> str:
    head = {"alg": "ES256", "typ": "JWT", "kid": "one"}
    return forged(head, provider.claims(), b"\0" * 64)


def _critical_extension(provider: Provider) -> str:
    return provider.sign(headers={"crit": ["exotic"], "exotic": True})


FORGERIES: list[Callable[[Provider], str]] = [
    _unsigned,
    _signed_with_the_public_key,
    _with_a_key_of_its_own,
    _changed_after_signing,
    _other_algorithm_than_its_key,
    _critical_extension,
    lambda provider: provider.sign().rpartition(".")[0] + ".",
    lambda provider: provider.sign()[:-8] + "AAAAAAAA",
    lambda provider: provider.sign() + ".more",
    lambda provider: provider.sign(headers={"kid": "unknown"}),
    lambda provider: provider.sign(note="x" * 20_000),
    lambda _: "sk-not-a-token",
    lambda _: "..",
    lambda _: "ö.ö.ö",
]


@pytest.mark.parametrize("forge", FORGERIES)
async def test_a_forgery_is_refused(house: House, forge: Callable[[Provider], str]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await house.tokens.check(forge(house.provider))
    assert refused.value.hint


@pytest.mark.parametrize("forge", [_unsigned, _signed_with_the_public_key])
async def test_the_token_does_not_choose_what_is_accepted(house: House, forge: Callable[[Provider], str]) -> None:
    with pytest.raises(Unauthenticated, match="not signed with an accepted algorithm") as refused:
        await house.tokens.check(forge(house.provider))
    assert refused.value.hint == "Accepted: RS256, ES256."


async def test_a_key_checks_only_the_algorithm_it_is_for(house: House) -> None:
    private, _ = house.provider.private["one"]
    token = jwt.encode(house.provider.claims(), private, "PS256", headers={"kid": "one"})
    with pytest.raises(Unauthenticated, match="another algorithm than its key"):
        await house.checking(algorithms=["RS256", "PS256"]).check(token)


async def test_a_symmetric_key_in_the_set_is_no_key(house: House) -> None:
    house.provider.published.append(
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256"}
    )
    house.clock.advance(11)
    token = forged({"alg": "RS256", "kid": "shared"}, house.provider.claims(), b"x")
    with pytest.raises(Unauthenticated, match="does not publish"):
        await house.tokens.check(token)


async def test_a_key_for_encryption_signs_nothing(house: House) -> None:
    house.provider.make("two", use="enc")
    house.clock.advance(11)
    with pytest.raises(Unauthenticated, match="does not publish"):
        await house.tokens.check(house.provider.sign("two"))


async def test_without_a_kid_the_only_key_counts(house: House) -> None:
    await house.tokens.check(house.provider.sign(headers={"kid": None}))
    house.provider.make("two")
    house.clock.advance(11)
    await house.keys.fetch()
    with pytest.raises(Unauthenticated, match="does not name the key"):
        await house.tokens.check(house.provider.sign(headers={"kid": None}))


async def test_the_tenant_may_lie_deeper(house: House) -> None:
    deep = house.checking(tenant_claim="realm.org.id")
    assert (await deep.check(house.provider.sign(realm={"org": {"id": "umbrella"}}))).tenant == "umbrella"
    dotted = house.checking(tenant_claim="https://id.test/tenant")
    claims: dict[str, Any] = {"https://id.test/tenant": "north"}
    assert (await dotted.check(house.provider.sign(**claims))).tenant == "north"


async def test_keys_are_exchanged_without_a_restart(house: House) -> None:
    house.provider.make("two")
    house.clock.advance(11)
    await house.tokens.check(house.provider.sign("two"))
    await house.tokens.check(house.provider.sign("one"))
    house.provider.published = [key for key in house.provider.published if key["kid"] == "two"]
    await house.keys.fetch()
    house.clock.advance(11)
    with pytest.raises(Unauthenticated, match="does not publish"):
        await house.tokens.check(house.provider.sign("one"))


async def test_the_same_id_with_another_key_is_another_key(house: House) -> None:
    before = house.provider.sign()
    await house.tokens.check(before)
    house.provider.published.clear()
    house.provider.make("one")
    await house.keys.fetch()
    await house.tokens.check(house.provider.sign())
    with pytest.raises(Unauthenticated):
        await house.tokens.check(before)


async def test_unknown_keys_do_not_hammer_the_provider(house: House) -> None:
    async def unknown(n: int) -> None:
        with pytest.raises(Unauthenticated):
            await house.tokens.check(house.provider.sign(headers={"kid": f"unknown-{n}"}))

    house.clock.advance(11)
    await asyncio.gather(*(unknown(n) for n in range(50)))
    for n in range(50):
        await unknown(n)
    assert house.provider.fetched == 2
    house.clock.advance(11)
    await unknown(0)
    assert house.provider.fetched == 3


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, None),
        (302, None),
        (200, b"<html>"),
        (200, b'{"keys": []}'),
        (200, b"[]"),
        (200, b'{"keys": "none"}'),
        (200, b" " * 1_100_000),
    ],
)
async def test_while_the_provider_fails_its_last_keys_count_until_they_are_too_old(
    house: House, status: int, body: bytes | None
) -> None:
    house.provider.status, house.provider.body = status, body
    house.clock.advance(3000)
    await house.keys.fetch()
    assert house.meter.up == [True, False]
    await house.tokens.check(house.provider.sign())
    with pytest.raises(UpstreamUnavailable) as untold:
        # It may be a new key: nobody can tell while the provider is down.
        await house.tokens.check(house.provider.sign(headers={"kid": "new"}))
    assert untold.value.hint
    house.clock.advance(601)
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable, match="cannot be checked"):
            await house.tokens.check(house.provider.sign())
    assert house.provider.fetched == 3
    house.provider.status, house.provider.body = 200, None
    house.clock.advance(11)
    await house.tokens.check(house.provider.sign())
    assert house.meter.up[-1]


async def test_a_provider_that_is_away_at_the_start_is_asked_again() -> None:
    async with identity_provider() as provider:
        provider.make("one")
        provider.status = 503
        async with opened(provider) as house:
            with pytest.raises(UpstreamUnavailable):
                await house.tokens.check(provider.sign())
            provider.status = 200
            house.clock.advance(11)
            await house.tokens.check(provider.sign())


async def test_a_provider_that_listens_nowhere_fails_closed() -> None:
    async with identity_provider() as provider:
        provider.make("one")
    async with opened(provider) as house:
        with pytest.raises(UpstreamUnavailable):
            await house.tokens.check(provider.sign())


async def test_keys_are_fetched_before_anyone_waits_for_them() -> None:
    async with identity_provider() as provider:
        provider.make("one")
        async with published_keys(
            provider.url, ScriptedClock(), Meter(), cache_s=0.02, max_age_s=10, refetch_s=0.02
        ) as keys:
            keeping = asyncio.create_task(keys.keep_fresh())
            while provider.fetched < 3:
                await asyncio.sleep(0.01)
            provider.status = 500
            seen = provider.fetched
            while provider.fetched < seen + 2:
                await asyncio.sleep(0.01)
            assert not keeping.done()
            keeping.cancel()


async def test_peers_keep_their_keys_beside_tokens(house: House) -> None:
    hashed = hashlib.sha256(b"gateway-key").hexdigest()
    identity = Identity(KeyRing([Key("gateway", hashed, peer=True)]), house.tokens)
    assert identity.required
    assert await identity.caller("Bearer gateway-key", "north") == Caller("gateway", "north", admin=True, peer=True)
    assert await identity.caller(f"Bearer {house.provider.sign()}") == Caller("ann", "acme", person=True)
    assert await identity.caller(f"Bearer {house.provider.sign()}", "acme") == Caller("ann", "acme", person=True)
    for header, tenant in ((f"Bearer {house.provider.sign()}", "umbrella"), (None, None), ("Bearer nonsense", None)):
        with pytest.raises(Unauthenticated) as refused:
            await identity.caller(header, tenant)
        assert refused.value.hint


async def test_a_token_names_its_bearer_s_groups(house: House) -> None:
    tokens = house.checking(groups_claim="realm.groups")
    told = await tokens.check(house.provider.sign(realm={"groups": ["hr", "eng"]}))
    assert told == Vouched("ann", "acme", ("eng", "hr"))
    assert (await tokens.check(house.provider.sign())).groups == ()
    assert (await house.tokens.check(house.provider.sign(realm={"groups": ["hr"]}))).groups == ()
    for groups in (["*"], "*", 7, ["h\u200br"]):
        with pytest.raises(Unauthenticated):
            await tokens.check(house.provider.sign(realm={"groups": groups}))
