"""The way out of a stream: the head goes with the first piece, what is held goes with the next, silence gets a comment."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from starlette.types import Send

_KEEP_ALIVE = b": waiting\n\n"
EVENT_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
"""The headers of server-sent events: nobody between may keep them, change them or hold them back."""


class Outlet:
    """Used by one task. While it is entered, `keep_alive_s` seconds without a byte bring a comment.

    `started`: the status is settled, since something was sent or held, if only a comment.
    """

    __slots__ = ("_busy", "_comment", "_headed", "_headers", "_held", "_keep_alive_s", "_quiet", "_send", "_timer", "started")  # fmt: skip

    def __init__(self, send: Send, headers: Iterable[tuple[bytes, bytes]], *, keep_alive_s: float) -> None:
        self._send = send
        self._headers = headers
        self._keep_alive_s = keep_alive_s
        self._held: list[bytes] = []
        self._headed = False
        # Nothing was sent since the timer rang last; something is being sent right now.
        self._quiet = True
        self._busy = False
        self._comment: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.started = False

    async def __aenter__(self) -> Self:
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()
            await asyncio.wait((self._comment,))
            self._comment = None

    def hold(self, piece: bytes) -> None:
        """To be sent in one with the next piece, which comes at once."""
        self.started = True
        self._held.append(piece)

    async def write(self, piece: bytes, *, last: bool = False) -> None:
        """Send it, behind what was held; nothing comes behind the last one. Returns when the connection has room again."""
        self.started = True
        if self._comment is not None:
            await asyncio.wait((self._comment,))
            self._comment = None
        if self._held:
            self._held.append(piece)
            piece = b"".join(self._held)
            self._held.clear()
        await self._out(piece, last=last)

    async def _out(self, piece: bytes, *, last: bool = False) -> None:
        self._quiet = False
        self._busy = True
        try:
            if not self._headed:
                await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})
                self._headed = True
            await self._send({"type": "http.response.body", "body": piece, "more_body": not last})
        finally:
            self._busy = False

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._keep_alive_s, self._ring)

    def _ring(self) -> None:
        # A client that does not take what it was sent needs no more of it.
        if self._quiet and not self._busy and not self._held and (self._comment is None or self._comment.done()):
            self.started = True
            self._comment = asyncio.get_running_loop().create_task(self._out(_KEEP_ALIVE))
        self._quiet = True
        self._arm()
