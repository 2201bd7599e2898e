"""Who calls, and for which tenant: told by a key or a token, never by a header that anyone could send."""

from collections.abc import Iterable
from dataclasses import dataclass

from tandem.admission.claims import TENANT
from tandem.admission.keys import Key, KeyRing
from tandem.domain.errors import InvalidRequest, Unauthenticated
from tandem.ports.tokens import Tokens

TENANT_HEADER = "x-tandem-tenant"


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` is for logs; `tenant` decides what is seen."""

    name: str
    tenant: str


class Identity:
    """The known callers. With neither keys nor tokens everyone is the default tenant.

    A `KeyRing` asks for a key even while it holds none: its keys may still come, or have been taken back. Where `tokens`
    are given, what is no known key has to be a good one. `trust_tenant` lets a caller without a key name the tenant; it
    is only for a listener that nobody but the gateway reaches, such as loopback. With keys it is their `peer` mark that
    counts.
    """

    def __init__(
        self, keys: KeyRing | Iterable[Key] = (), tokens: Tokens | None = None, *, trust_tenant: bool = False
    ) -> None:
        listed = () if isinstance(keys, KeyRing) else tuple(keys)
        self._ring = keys if isinstance(keys, KeyRing) else KeyRing(listed)
        self._tokens = tokens
        self.required = tokens is not None or isinstance(keys, KeyRing) or bool(listed)
        """True when a key or a token is needed."""
        self._open = Key("anonymous", "", peer=trust_tenant)

    async def caller(self, authorization: str | None, tenant: str | None = None) -> Caller:
        """Who presents this `Authorization` header, on behalf of `tenant` when one is named.

        Raises `Unauthenticated` for a missing or unknown key or a token that is not good, and when the caller may not
        speak for `tenant`: falling back to its own tenant would mix two tenants' documents without a sound. Raises
        `UpstreamUnavailable` while no token can be checked.
        """
        key = await self._key(authorization) if self.required else self._open
        if tenant is None or tenant == key.tenant:
            return Caller(key.name, key.tenant)
        if not key.peer:
            raise Unauthenticated(
                "This caller may not speak for another tenant.", hint="Mark the gateway's key with peer: true."
            )
        if not TENANT.fullmatch(tenant):
            raise InvalidRequest(f"{TENANT_HEADER} is not a tenant's name.", param=TENANT_HEADER)
        return Caller(key.name, tenant)

    async def _key(self, authorization: str | None) -> Key:
        kind = "API key" if self._tokens is None else "token"
        if authorization is None:
            raise Unauthenticated(f"No {kind} was given.", hint="Send it as Authorization: Bearer …")
        scheme, _, rest = authorization.partition(" ")
        secret = rest.strip()
        if scheme.lower() != "bearer" or not secret:
            raise Unauthenticated(
                f"The Authorization header holds no Bearer {kind}.", hint="Send Authorization: Bearer …"
            )
        found = self._ring.find(secret)
        if found is not None:
            return found
        if self._tokens is None:
            raise Unauthenticated(
                "The API key is not known.", hint="Ask the operator for a key, or use the one you have whole."
            )
        who = await self._tokens.check(secret)
        return Key(who.subject, "", who.tenant)
