"""An HTTP server of raw bytes that keeps connections open, fails in every way a server can, and comes back on its port."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

# What happens to a request: `silent` is never answered, `hangup` and `reset` end the connection without a byte, `half` in
# the middle of the body, `garbage` is no HTTP.
Fault = Literal["silent", "hangup", "reset", "half", "garbage"]
Answer = Callable[["Heard"], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Heard:
    """A request, the number of the connection that it came over, and how many had come over that before."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int
    earlier: int


@dataclass
class Faulty:
    """`fault` says what becomes of the requests to come; `connections` counts those that were ever accepted."""

    answer: Answer
    host: str = "127.0.0.1"
    fault: Fault | Callable[[Heard], Fault | None] | None = None
    delay_s: float = 0.0
    port: int = 0
    connections: int = 0
    running: int = 0
    most_running: int = 0
    heard: list[Heard] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def open(self) -> int:
        """Connections that stand now."""
        return len(self._open)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As killed: the port refuses, every connection is reset."""
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._open):
            _reset(writer)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        task = asyncio.create_task(self._serve(self.connections, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        earlier = 0
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *rows = head.removesuffix("\r\n\r\n").split("\r\n")
                headers = {name.lower(): value for name, _, value in (row.partition(": ") for row in rows)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                heard = Heard(line, headers, body, number, earlier)
                self.heard.append(heard)
                self.running += 1
                self.most_running = max(self.most_running, self.running)
                try:
                    await self._say(heard, reader, writer)
                finally:
                    self.running -= 1
                earlier += 1
        except (ConnectionError, asyncio.IncompleteReadError, EOFError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _say(self, heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self.fault(heard) if callable(self.fault) else self.fault
        if fault == "silent":
            await reader.read()
            raise EOFError
        if fault == "hangup":
            raise EOFError
        if fault == "reset":
            _reset(writer)
            raise EOFError
        await asyncio.sleep(self.delay_s)
        status, body = self.answer(heard)
        reply = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        if fault == "garbage":
            reply, body = b"\x16\x03\x01 this is not HTTP\r\n\r\n", b""
        writer.write(reply + (body[: len(body) // 2] if fault == "half" else body))
        await writer.drain()
        if fault is not None:
            raise EOFError


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def faulty(answer: Answer) -> AsyncIterator[Faulty]:
    """A server of this kind, listening."""
    server = Faulty(answer)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
