"""A server of raw bytes on a loopback port: what it says, when it stops and how it breaks off is written down exactly."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson

Say = Callable[["Call"], Awaitable[None]]


class Call:
    """One request that came in. `left` is set when the client closed its side; `earlier` counts the requests that came
    before it on its connection.
    """

    def __init__(self, head: str, body: bytes, writer: asyncio.StreamWriter, earlier: int) -> None:
        self.line, *rows = head.split("\r\n")
        self.headers = {name.lower(): value for name, _, value in (row.partition(": ") for row in rows)}
        self.body = body
        self.earlier = earlier
        self.left = asyncio.Event()
        self._writer = writer

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, status: int, body: bytes, headers: str = "") -> None:
        await self.raw(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body)

    async def begin(self) -> None:
        await self.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    async def part(self, data: bytes) -> None:
        await self.raw(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def end(self) -> None:
        await self.raw(b"0\r\n\r\n")

    def reset(self) -> None:
        """Not an end but a reset: what a killed process or a firewall does."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """An end of the connection where the answer has none."""
        self._writer.close()


class Upstream:
    """`calls` are those that came."""

    def __init__(self, say: Say) -> None:
        self.url = ""
        self.port = 0
        self.calls: list[Call] = []
        self._say = say

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        earlier = 0
        try:
            head = await _head(reader)
            while head is not None:
                call = Call(head, b"", writer, earlier)
                earlier += 1
                call.body = await reader.readexactly(int(call.headers.get("content-length", "0")))
                self.calls.append(call)
                head = await self._answered(call, reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answered(self, call: Call, reader: asyncio.StreamReader) -> str | None:
        """The head of the next request, once this one was answered; None at the connection's end."""
        said = asyncio.create_task(self._spoken(call))
        try:
            head = await _head(reader)
            if head is None:
                call.left.set()
            await said
            return head
        finally:
            said.cancel()

    async def _spoken(self, call: Call) -> None:
        try:
            await self._say(call)
        except ConnectionError:
            call.left.set()


async def _head(reader: asyncio.StreamReader) -> str | None:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
    except (ConnectionError, asyncio.IncompleteReadError):
        return None


@asynccontextmanager
async def upstream(say: Say, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Upstream]:
    """A server that answers each request with `say`."""
    ours = Upstream(say)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(ours.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, port)
    ours.port = server.sockets[0].getsockname()[1]
    ours.url = f"http://{host}:{ours.port}"
    try:
        yield ours
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def event(body: object) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def piece(text: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": reason, "logprobs": None}
    return event({"object": "chat.completion.chunk", "id": "", "created": 1, "model": "m", "choices": [choice]})


USAGE = event(
    {
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
)
DONE = b"data: [DONE]\n\n"
WHOLE = piece("Grün ") + piece("😀", "stop") + USAGE + DONE
