"""What not every known caller may do: whatever concerns a collection as a whole, and so everybody who is in it."""

from fastapi import Depends, Request

from tandem.domain.errors import PermissionDenied
from tandem.http.exchange import exchange_of


def require_admin(request: Request) -> None:
    """Raises `PermissionDenied` unless the caller is an admin. Without keys everyone who reaches the listener is."""
    if not exchange_of(request.scope).admin:
        raise PermissionDenied(
            "This takes an admin's key: it concerns the collection as a whole.",
            hint="Mark the key with admin: true, or put the token's bearer into auth.jwt.admin_group.",
        )


admin_only = [Depends(require_admin)]
"""`dependencies` of a route that only admins may call; document it with `faults(403)`."""
