"""What not every known caller may do: whatever concerns a collection as a whole, and so everybody who is in it."""

from fastapi import Depends, Request
from starlette.types import Scope

from tandem.domain.errors import PermissionDenied
from tandem.domain.lineage import is_version
from tandem.http.exchange import exchange_of

_HINT = "Mark the key with admin: true, or put the token's bearer into auth.jwt.admin_group."


def require_admin(request: Request) -> None:
    """Raises `PermissionDenied` unless the caller is an admin. Without keys everyone who reaches the listener is."""
    if not exchange_of(request.scope).admin:
        raise PermissionDenied("This takes an admin's key: it concerns the collection as a whole.", hint=_HINT)


def require_peer(request: Request) -> None:
    """Raises `PermissionDenied` unless the caller is a peer. Without keys only peers reach a retriever."""
    if not exchange_of(request.scope).peer:
        raise PermissionDenied("This takes a peer's key.", hint="Mark the gateway's key with peer: true.")


def check_collection(name: str | None, scope: Scope) -> None:
    """`check_version` for who asks over HTTP."""
    check_version(name, admin=exchange_of(scope).admin)


def check_version(name: str | None, *, admin: bool) -> None:
    """Raises `PermissionDenied` for a version by its number, such as `docs@3`, unless an admin asks.

    A version that was replaced keeps each document with the access list of its time: who has been shut out since would
    still find it there.
    """
    if name is not None and is_version(name) and not admin:
        raise PermissionDenied(
            "Versions by their number are for admins: they keep the access lists of their time.",
            hint=f"Name the collection: {name.partition('@')[0]}.",
            param="collection",
        )


def _check_named(request: Request) -> None:
    check_collection(request.query_params.get("collection"), request.scope)
    check_collection(request.path_params.get("name"), request.scope)


admin_only = [Depends(require_admin)]
"""`dependencies` of a route that only admins may call; document it with `faults(403)`."""
peers_only = [Depends(require_peer)]
"""The same for what only gateways ask of their retriever."""
as_it_serves = [Depends(_check_named)]
"""`dependencies` of routes that name a collection in the path or the query; others call `check_collection`."""
