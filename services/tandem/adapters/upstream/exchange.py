"""One request and its answer on one connection: what arrives is parsed once and handed on as it came.

aiohttp's pool makes, checks and keeps the connections; its reader costs more per token than everything else of ours.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import httptools

# The server is not read from while more than this waits for whoever reads the answer.
_HIGH_BYTES = 256 * 1024
# An answer's first pieces are handed on as they come. Later ones at most every `interval_s`, all that came together: a
# reader sees no difference, and each time costs calls of the system that are dearer than all that is done with the
# bytes. All streams share the instants, and with them the ways through the event loop.
_FIRST_PIECES = 2
# Longer is no head of an answer.
_HEAD_BYTES = 64 * 1024


class Exchange(asyncio.Protocol, AsyncIterator[bytes]):
    """Begins with `head()`; then it is the body's pieces, those of `interval_s` together. `leave()` in any case, once.

    `first`: nothing came before on its connection.
    """

    __slots__ = ("_broken", "_clean", "_connection", "_ended", "_handed", "_handed_in", "_head_bytes", "_headed", "_interval_s", "_loop", "_pacing", "_parser", "_pieces", "_pool_s", "_reading", "_transport", "_waiter", "_waiting", "first", "headers", "status")  # fmt: skip

    def __init__(self, connection: aiohttp.connector.Connection, interval_s: float, *, first: bool) -> None:
        self.first = first
        self._connection = connection
        self._pool_s = connection.protocol
        self._transport = cast(asyncio.Transport, connection.transport)
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._waiter: asyncio.Future[None] | None = None
        self._interval_s = interval_s
        self._handed = 0
        self._handed_in = -1
        self._pacing: asyncio.Handle | None = None
        self._broken: Exception | None = None
        self._head_bytes = 0
        self._headed = False
        self._reading = True
        self._ended = False
        self._clean = True
        self.status = 0
        self.headers: dict[str, str] = {}
        self._transport.set_protocol(self)

    async def head(self, request: bytes) -> None:
        """Send the request and wait for the answer's head. Raises `aiohttp.ClientError` when none comes."""
        self._transport.write(request)
        while not self._headed:
            if self._broken is not None:
                raise aiohttp.ServerDisconnectedError(str(self._broken))
            await self._news()

    async def __anext__(self) -> bytes:
        """What came since the last time. Raises `ConnectionError` when the connection breaks before the end."""
        while not self._due():
            if not self._pieces:
                if self._ended:
                    raise StopAsyncIteration
                if self._broken is not None:
                    raise ConnectionResetError(str(self._broken))
            await self._news()
        came = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        self._handed += 1
        self._handed_in = self._instant()
        self._read_on()
        return came

    def leave(self) -> None:
        """The connection goes back to the pool when the request was sent and its answer read to the end, else it closes."""
        if self._pacing is not None:
            self._pacing.cancel()
        self._read_on()
        if self._broken is None and self._pool_s is not None:
            self._transport.set_protocol(self._pool_s)
        unsent = not self._transport.is_closing() and self._transport.get_write_buffer_size() > 0
        if unsent:
            # Closing would wait for a server that may never read; the next request would wait behind it.
            self._transport.abort()
        if self._ended and self._clean and self._broken is None and not unsent:
            self._connection.release()
        else:
            self._connection.close()

    # asyncio's side

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        if not self._headed:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(error)
            return
        if not self._headed and self._head_bytes > _HEAD_BYTES:
            self._break(ValueError("the head of the answer has no end"))
        elif self._waiting > _HIGH_BYTES:
            self._read_no_more()
        if not self._pieces or self._due():
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed it, or it broke."""
        if self._headed and not self._ended and exc is None and self._until_closed():
            self._ended = True
        self._clean = False
        if not self._ended and self._broken is None:
            self._broken = exc or ConnectionResetError("the server closed the connection")
        if self._pool_s is not None:
            self._pool_s.connection_lost(exc)
        self._wake()

    # The parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer, or a trailer, which is of no interest."""
        if not self._headed:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole; one that only announces the answer's own is not counted."""
        status = self._parser.get_status_code()
        if status >= 200 and not self._ended:
            self.status, self._headed = status, True
        else:
            self.headers.clear()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self._ended:
            self._pieces.append(body)
            self._waiting += len(body)

    def on_message_begin(self) -> None:
        """Behind the end it is an answer that nobody asked for."""
        if self._ended:
            self._clean = False

    def on_message_complete(self) -> None:
        """The end of the body."""
        if self._headed:
            self._ended = True
            # Only now does the parser know: what follows would be another answer.
            self._clean = self._clean and self._parser.should_keep_alive()

    def _until_closed(self) -> bool:
        return "content-length" not in self.headers and "chunked" not in self.headers.get("transfer-encoding", "")

    def _break(self, error: Exception) -> None:
        if not self._ended:
            self._broken = error
        self._clean = False
        self._wake()

    def _due(self) -> bool:
        """True when there is something to hand on and the time for it; else it is seen to that the reader wakes then."""
        if not self._pieces:
            return False
        if self._handed < _FIRST_PIECES or self._ended or self._broken is not None or self._waiting > _HIGH_BYTES:
            return True
        if not self._interval_s or self._instant() > self._handed_in:
            return True
        if self._pacing is None:
            # The system keeps what comes meanwhile: one look at it then, instead of one for each piece.
            self._read_no_more()
            self._pacing = self._loop.call_at((self._handed_in + 1) * self._interval_s, self._look)
        return False

    def _instant(self) -> int:
        return int(self._loop.time() / self._interval_s) if self._interval_s else 0

    def _look(self) -> None:
        self._handed_in = -1
        self._read_on()
        # What there is to be read by now is read before.
        self._pacing = self._loop.call_soon(self._look_again)

    def _look_again(self) -> None:
        self._pacing = self._loop.call_soon(self._paced)

    def _paced(self) -> None:
        self._pacing = None
        self._wake()

    def _read_on(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _read_no_more(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
