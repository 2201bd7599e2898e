"""Who calls, for which tenant and with which groups: told by a key or a token, never by a header that anyone could send."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tandem.admission.claims import TENANT
from tandem.admission.keys import Key, KeyRing
from tandem.domain.errors import InvalidRequest, Unauthenticated
from tandem.domain.groups import EVERY_GROUP, groups_fault, in_order
from tandem.ports.tokens import Tokens

TENANT_HEADER = "x-tandem-tenant"
GROUPS_HEADER = "x-tandem-groups"


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` is for logs; `tenant` and `groups` decide what is seen, `admin` what may be done to a whole collection.

    A `peer` may speak for any tenant. A `person` showed a token of its own: what is kept of it is its own, too.
    """

    name: str
    tenant: str
    groups: tuple[str, ...] = ()
    admin: bool = False
    peer: bool = False
    person: bool = False


class Identity:
    """The known callers. With neither keys nor tokens everyone is the default tenant, and a member of `open_groups`.

    A `KeyRing` asks for a key even while it holds none: its keys may still come, or have been taken back. Where `tokens`
    are given, what is no known key has to be a good one. `trust_tenant` lets a caller without a key name tenant and groups;
    it is only for a listener that nobody but the gateway reaches, such as loopback. With keys it is their `peer` mark that
    counts. Members of `admin_group`, where one is named, are admins.
    """

    def __init__(
        self,
        keys: KeyRing | Iterable[Key] = (),
        tokens: Tokens | None = None,
        *,
        trust_tenant: bool = False,
        open_groups: Iterable[str] = (),
        admin_group: str | None = None,
    ) -> None:
        listed = () if isinstance(keys, KeyRing) else tuple(keys)
        self._ring = keys if isinstance(keys, KeyRing) else KeyRing(listed)
        self._tokens = tokens
        self._admin_group = admin_group
        self.required = tokens is not None or isinstance(keys, KeyRing) or bool(listed)
        """True when a key or a token is needed."""
        # Who may reach a listener without keys may do there whatever can be done; what is restricted is seen by nobody.
        self._open = Key("anonymous", "", peer=trust_tenant, groups=tuple(open_groups), admin=True)

    async def caller(
        self, authorization: str | None, tenant: str | None = None, groups: Sequence[str] | None = None
    ) -> Caller:
        """Who presents this `Authorization` header, on behalf of `tenant` and `groups` when they are named.

        Raises `Unauthenticated` for a missing or unknown key or a token that is not good, and when the caller may not
        speak for `tenant` or `groups`: falling back to its own would mix two callers' documents without a sound. Raises
        `UpstreamUnavailable` while no token can be checked.
        """
        key = await self._key(authorization) if self.required else self._open
        if groups is not None and not key.peer and in_order(groups) != in_order(key.groups):
            raise Unauthenticated(
                "This caller may not speak for members of groups.",
                hint=f"Leave {GROUPS_HEADER} out: the groups come from the key or the token.",
            )
        admin = key.admin or key.peer
        if tenant is None or tenant == key.tenant:
            own = in_order(key.groups) if groups is None else _told(groups)
            return Caller(key.name, key.tenant, own, admin, key.peer, self.required and not key.sha256)
        if not key.peer:
            raise Unauthenticated(
                "This caller may not speak for another tenant.", hint="Mark the gateway's key with peer: true."
            )
        if not TENANT.fullmatch(tenant):
            raise InvalidRequest(f"{TENANT_HEADER} is not a tenant's name.", param=TENANT_HEADER)
        # The peer's own groups are of its own tenant.
        return Caller(key.name, tenant, _told(groups or ()), admin, key.peer)

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
        return Key(who.subject, "", who.tenant, groups=who.groups, admin=self._admin_group in who.groups)


def _told(groups: Sequence[str]) -> tuple[str, ...]:
    """The groups that a peer names for its caller. Raises `InvalidRequest`."""
    fault = groups_fault(name for name in groups if name != EVERY_GROUP)
    if fault is not None:
        raise InvalidRequest(f"{GROUPS_HEADER}: {fault}.", param=GROUPS_HEADER)
    return in_order(groups)
