"""When every queue is full, that is said before the body is read: a refusal must cost far less than an answer."""

import math
from collections.abc import Callable

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from tandem.domain.errors import Overloaded
from tandem.http.errors import error_body, status_of
from tandem.http.exchange import exchange_of

Refusal = Callable[[str], Overloaded | None]
_ANSWERS = ("POST", "/v1/chat/completions")
# Admission knows a handful of messages.
_REMEMBERED = 64


class Shedding:
    """`refusal` tells, for a tenant, what admission would raise whatever the request asks for; None when it may wait.

    The body that is not read is the server's to drain, as for every answer that comes before it.
    """

    def __init__(self, app: ASGIApp, *, refusal: Refusal) -> None:
        self._app = app
        self._refusal = refusal
        self._bodies: dict[tuple[type[Overloaded], str], bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) == _ANSWERS:
            error = self._refusal(exchange_of(scope).tenant)
            if error is not None:
                await self._refuse(error, send)
                return
        await self._app(scope, receive, send)

    async def _refuse(self, error: Overloaded, send: Send) -> None:
        body = self._body(error)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_s))),
        ]
        await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _body(self, error: Overloaded) -> bytes:
        key = type(error), error.message
        body = self._bodies.get(key)
        if body is None:
            if len(self._bodies) >= _REMEMBERED:
                self._bodies.clear()
            body = self._bodies[key] = orjson.dumps(error_body(error))
        return body
