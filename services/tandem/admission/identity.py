"""Who calls, and for which tenant: told by the key, never by a header that anyone could send."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tandem.domain.context import DEFAULT_TENANT
from tandem.domain.errors import InvalidRequest, Unauthenticated

TENANT_HEADER = "x-tandem-tenant"
_TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Key:
    """A known key by its SHA-256 (hex). A `peer` is another part of the platform and may speak for any tenant."""

    name: str
    sha256: str
    tenant: str = DEFAULT_TENANT
    peer: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` is for logs; `tenant` decides what is seen."""

    name: str
    tenant: str


class Identity:
    """The known callers. Without keys everyone is the default tenant.

    `trust_tenant` lets a caller without a key name the tenant. It is only for a listener that nobody but the gateway
    reaches, such as loopback; with keys it is the key's `peer` mark that counts.
    """

    def __init__(self, keys: Sequence[Key] = (), *, trust_tenant: bool = False) -> None:
        self._keys = tuple((key, bytes.fromhex(key.sha256)) for key in keys)
        self._open = Key("anonymous", "", peer=trust_tenant)

    @property
    def required(self) -> bool:
        """True when a key is needed."""
        return bool(self._keys)

    def caller(self, authorization: str | None, tenant: str | None = None) -> Caller:
        """Who presents this `Authorization` header, on behalf of `tenant` when one is named.

        Raises `Unauthenticated` for a missing or unknown key, and when the caller may not speak for `tenant`: falling
        back to its own tenant would mix two tenants' documents without a sound.
        """
        key = self._key(authorization) if self._keys else self._open
        if tenant is None or tenant == key.tenant:
            return Caller(key.name, key.tenant)
        if not key.peer:
            raise Unauthenticated(
                "This caller may not speak for another tenant.", hint="Mark the gateway's key with peer: true."
            )
        if not _TENANT.fullmatch(tenant):
            raise InvalidRequest(f"{TENANT_HEADER} is not a tenant's name.", param=TENANT_HEADER)
        return Caller(key.name, tenant)

    def _key(self, authorization: str | None) -> Key:
        if authorization is None:
            raise Unauthenticated("No API key was given.", hint="Send it as Authorization: Bearer KEY.")
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated(
                "The Authorization header holds no Bearer key.", hint="Send Authorization: Bearer KEY."
            )
        digest = hashlib.sha256(secret.strip().encode()).digest()
        found: Key | None = None
        # Every key is compared, so that the time taken tells nothing about which one was near.
        for key, known in self._keys:
            if hmac.compare_digest(digest, known):
                found = key
        if found is None:
            raise Unauthenticated("The API key is not known.")
        return found
