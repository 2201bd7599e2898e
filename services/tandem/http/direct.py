"""The short way to the one route that carries the load: the same answers as by the framework, at a fraction of its cost.

What is not exactly as usual (no JSON, a body that does not fit) takes the framework's way, which tells what is wrong.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem.domain.errors import TandemError
from tandem.http.errors import CLIENT_GONE, ClientGone, error_reply, routing_reply, status_of
from tandem.http.headers import header
from tandem.http.json_route import is_json


class Lane(Protocol):
    """A route that can be asked directly."""

    async def __call__(self, body: bytes, scope: Scope, receive: Receive) -> Response | None:
        """What answers, None when the body is not as it should be. Raises what a route raises."""
        ...


class DirectRouter(APIRouter):
    """A router with lanes, by method and path, each leading where its route of that path leads."""

    def __init__(self, **router: Any) -> None:
        super().__init__(**router)
        self.lanes: dict[tuple[str, str], Lane] = {}


class Direct:
    """The innermost layer: between all the others and the framework's routing."""

    def __init__(self, app: ASGIApp, *, lanes: Mapping[tuple[str, str], Lane]) -> None:
        self._app = app
        self._lanes = lanes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        lane = self._lanes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if lane is None or not is_json(header(scope, "content-type") or ""):
            await self._app(scope, receive, send)
            return
        try:
            body = await _whole(receive)
            answer = await lane(body, scope, receive)
            if answer is not None:
                # It is read, and an answer may last.
                del body
                await answer(scope, receive, send)
                return
        except TandemError as error:
            if status_of(error) == 500:
                raise RuntimeError(error.message) from error
            await error_reply(error)(scope, receive, send)
            return
        except HTTPException as fault:
            await routing_reply(fault, None)(scope, receive, send)
            return
        except ClientGone:
            await Response(status_code=CLIENT_GONE)(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


async def _whole(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    pieces = [body]
    while message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        pieces.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise ClientGone
    return body if len(pieces) == 1 else b"".join(pieces)


def _again(body: bytes, receive: Receive) -> Receive:
    read = False

    async def receive_again() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
