"""No work without knowing for whom: the key decides the tenant and the groups."""

from collections.abc import Iterable
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from tandem.admission.identity import GROUPS_HEADER, TENANT_HEADER, Identity
from tandem.domain.errors import InvalidRequest, TandemError
from tandem.http.errors import error_reply
from tandem.http.exchange import exchange_of
from tandem.http.headers import header


class Identified:
    """Everything needs a key but the `open_paths`: exact paths, or prefixes when they end with a slash."""

    def __init__(self, app: ASGIApp, *, identity: Identity, open_paths: Iterable[str]) -> None:
        self._app = app
        self._identity = identity
        self._open = frozenset(open_paths)
        self._open_prefixes = tuple(path for path in self._open if path.endswith("/") and path != "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._is_open(scope["path"]):
            try:
                caller = await self._identity.caller(
                    header(scope, "authorization"), header(scope, TENANT_HEADER), _groups(header(scope, GROUPS_HEADER))
                )
            except TandemError as error:
                await error_reply(error)(scope, receive, send)
                return
            exchange = exchange_of(scope)
            exchange.caller, exchange.tenant = caller.name, caller.tenant
            exchange.groups, exchange.admin, exchange.peer = caller.groups, caller.admin, caller.peer
            exchange.person = caller.person
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in self._open or path.startswith(self._open_prefixes)


def _groups(told: str | None) -> tuple[str, ...] | None:
    """Names between commas, each percent-encoded. Raises `InvalidRequest`."""
    if told is None:
        return None
    try:
        return tuple(unquote(name.strip(), errors="strict") for name in told.split(",") if name.strip())
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{GROUPS_HEADER} is not percent-encoded UTF-8.", param=GROUPS_HEADER) from error
