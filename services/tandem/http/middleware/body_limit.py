"""No body over its limit, whether its length was announced or it comes in chunks."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem.domain.errors import PayloadTooLarge
from tandem.http.errors import error_reply
from tandem.http.headers import header


class BodyLimit:
    """`special` holds other limits by path prefix. Limits are bytes."""

    def __init__(self, app: ASGIApp, *, limit: int, special: Mapping[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._special = special

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        announced = header(scope, "content-length")
        if announced is not None and announced.isdecimal() and int(announced) > limit:
            await error_reply(PayloadTooLarge(_message(limit)))(scope, receive, send)
            return
        taken = 0

        async def receive_within_limit() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                # The one kind of exception that FastAPI lets through from reading a body.
                raise HTTPException(413, _message(limit))
            return message

        await self._app(scope, receive_within_limit, send)

    def _limit_of(self, path: str) -> int:
        return next((limit for prefix, limit in self._special.items() if path.startswith(prefix)), self._limit)


def _message(limit: int) -> str:
    return f"The body is larger than {limit:,} bytes."
