"""When every queue is full, that is said before the body is read: a refusal must cost far less than an answer."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from tandem.domain.errors import TandemError
from tandem.http.errors import error_reply
from tandem.http.exchange import exchange_of

Refusal = Callable[[str], TandemError | None]
_ANSWERS = ("POST", "/v1/chat/completions")


class Shedding:
    """`refusal` tells, for a tenant, what admission would raise whatever the request asks for; None when it may wait."""

    def __init__(self, app: ASGIApp, *, refusal: Refusal) -> None:
        self._app = app
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) == _ANSWERS:
            error = self._refusal(exchange_of(scope).tenant)
            if error is not None:
                await error_reply(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
