"""Keys that stay and keys that are exchanged."""

import hashlib

import pytest

from tandem.admission.identity import Caller, Identity
from tandem.admission.keys import Key, KeyRing
from tandem.domain.errors import ConfigurationError, Unauthenticated


def key(name: str, secret: str) -> Key:
    return Key(name, hashlib.sha256(secret.encode()).hexdigest())


async def test_exchanged_keys_count_at_once_and_fixed_ones_stay() -> None:
    ring = KeyRing([key("fixed", "one")])
    identity = Identity(ring)
    ring.exchange([key("given", "two")])
    assert await identity.caller("Bearer two") == Caller("given", "default")
    ring.exchange([key("other", "three")])
    assert await identity.caller("Bearer one") == Caller("fixed", "default")
    assert await identity.caller("Bearer three") == Caller("other", "default")
    with pytest.raises(Unauthenticated):
        await identity.caller("Bearer two")


async def test_a_ring_without_keys_lets_nobody_in() -> None:
    identity = Identity(KeyRing())
    assert identity.required
    for header in (None, "Bearer one"):
        with pytest.raises(Unauthenticated):
            await identity.caller(header)


def test_two_callers_with_one_key_cannot_be_told_apart() -> None:
    with pytest.raises(ConfigurationError, match="'ann' and 'bob'"):
        KeyRing([key("ann", "one"), key("bob", "one")])
    ring = KeyRing([key("ann", "one")])
    with pytest.raises(ConfigurationError):
        ring.exchange([key("bob", "one")])
    assert ring.find("one") == key("ann", "one")
