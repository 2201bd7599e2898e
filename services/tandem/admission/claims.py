"""What a token that was found to be genuine says of its bearer."""

import re
from collections.abc import Mapping
from typing import Any

from tandem.domain.errors import Unauthenticated
from tandem.ports.tokens import Vouched

TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_LOGGED = 100


def vouched(claims: Mapping[str, Any], tenant_claim: str) -> Vouched:
    """Subject and tenant. `tenant_claim` is a claim's name, or a path with dots into nested claims.

    Raises `Unauthenticated` without a tenant: the default one would show its documents to whoever has any token.
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
    return Vouched(subject[:_LOGGED] if isinstance(subject, str) else "token", tenant)


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    # Names such as https://example.com/tenant have dots of their own: the whole comes first.
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
