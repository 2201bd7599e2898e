"""The least a gateway can do in Python on an ASGI server: bytes in, bytes out, nothing looked at."""

import os
from typing import Any

import aiohttp

_URL = os.environ.get("UPSTREAM", "http://127.0.0.1:9") + "/v1/chat/completions"
_JSON = {"content-type": "application/json"}


class RawAsgi:
    """One shared aiohttp session in front of one server."""

    def __init__(self) -> None:
        self._http: aiohttp.ClientSession

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The whole application."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        async with self._http.post(_URL, data=body, headers=_JSON) as reply:
            kind = reply.headers.get("content-type", "application/json").encode()
            await send({"type": "http.response.start", "status": reply.status, "headers": [(b"content-type", kind)]})
            async for piece in reply.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as self._http:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


app = RawAsgi()
