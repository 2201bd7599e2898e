"""The known API keys, by their hashes; they may be exchanged while the process runs."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from tandem.domain.context import DEFAULT_TENANT
from tandem.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Key:
    """A known key by its SHA-256 (hex). A `peer` is another part of the platform and may speak for any tenant.

    Its holder is a member of `groups`; with `admin` it may do what concerns a collection as a whole.
    """

    name: str
    sha256: str
    tenant: str = DEFAULT_TENANT
    peer: bool = False
    groups: tuple[str, ...] = ()
    admin: bool = False


class KeyRing:
    """Keys that stay, and keys that `exchange` replaces as a whole."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._fixed = _by_hash(keys)
        self._known = self._fixed

    def exchange(self, keys: Iterable[Key]) -> None:
        """These, beside the fixed ones, count from now on. Raises `ConfigurationError` when one stands there twice."""
        self._known = _by_hash([*self._fixed.values(), *keys])

    def find(self, secret: str) -> Key | None:
        """The key, None when it is not known.

        Who measures how long a look-up by hash takes learns something of a hash that he cannot choose, nothing of a key.
        """
        return self._known.get(hashlib.sha256(secret.encode()).digest())


def _by_hash(keys: Iterable[Key]) -> dict[bytes, Key]:
    known: dict[bytes, Key] = {}
    for key in keys:
        hashed = bytes.fromhex(key.sha256)
        if hashed in known:
            raise ConfigurationError(
                f"The keys {known[hashed].name!r} and {key.name!r} are the same.",
                hint="Give every caller a key of its own.",
            )
        known[hashed] = key
    return known
