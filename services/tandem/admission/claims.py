"""What a token that was found to be genuine says of its bearer."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tandem.domain.errors import Unauthenticated
from tandem.domain.groups import groups_fault, in_order
from tandem.ports.tokens import Vouched

TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# What a caller is known by; a longer subject keeps its beginning, and what tells it from others that begin so.
_MOST = 100


def vouched(claims: Mapping[str, Any], tenant_claim: str, groups_claim: str | None = None) -> Vouched:
    """Subject, tenant and groups. A claim is named as it is, or by a path with dots into nested claims.

    Raises `Unauthenticated` without a subject: what is kept of a caller is shown to whoever has its name. Without a tenant: the default one would show its documents to whoever has any token. And for
    groups that cannot be: to leave some out would show another view of the documents than the provider meant.
    """
    tenant = _claim(claims, tenant_claim)
    if tenant is None:
        raise Unauthenticated(
            f"The token names no tenant: it has no claim {tenant_claim}.",
            hint="Let the identity provider put it in, or set auth.jwt.tenant_claim to the claim that tells it.",
        )
    if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
        raise Unauthenticated(
            f"The token's claim {tenant_claim} is not a tenant's name.",
            hint="A tenant's name is text of lower-case letters, digits and ._-, at most 63 characters.",
        )
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise Unauthenticated(
            "The token names nobody: it has no claim sub.", hint="Let the identity provider put a subject in."
        )
    return Vouched(_name(subject), tenant, _groups(claims, groups_claim))


def _name(subject: str) -> str:
    if len(subject) <= _MOST:
        return subject
    return f"{subject[: _MOST - 17]}~{sha256(subject.encode(errors='replace')).hexdigest()[:16]}"


def _groups(claims: Mapping[str, Any], path: str | None) -> tuple[str, ...]:
    """A list of names, or names in one text with blanks between them; none without the claim."""
    told = None if path is None else _claim(claims, path)
    names = told.split() if isinstance(told, str) else told or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Unauthenticated(
            f"The token's claim {path} holds no groups.",
            hint="It must be a list of names, or one text with blanks between.",
        )
    fault = groups_fault(names)
    if fault is not None:
        raise Unauthenticated(f"The token's claim {path} cannot be used: {fault}.", hint="Ask the identity provider.")
    return in_order(names)


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    # Names such as https://example.com/tenant have dots of their own: the whole comes first.
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
