"""The product's own server on a free loopback port in the test's event loop, and clients that send any bytes they like."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp

from tandem.app.listener import guard
from tandem.http.edge.census import Closed
from tandem.http.edge.door import Door
from tandem.http.edge.limits import Limits
from tandem.http.edge.server import Server
from tandem.http.lifecycle import Lifecycle

PATIENCE_S = 20.0


@dataclass
class Edge:
    """A running server."""

    server: Server
    door: Door
    port: int
    running: "asyncio.Task[None]"
    clients: list["Client"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def closed(self, reason: Closed) -> int:
        """Connections that the server closed for this reason."""
        return self.door.census.closed[reason]

    async def client(self, *, buffer: int | None = None) -> "Client":
        """A new connection, closed with the server at the latest."""
        client = await connected(self.port, buffer=buffer)
        self.clients.append(client)
        return client

    async def answer(self, data: bytes) -> bytes:
        """Everything that comes back for `data` until the server closes; a timeout when it never does."""
        client = await self.client()
        await client.send(data)
        return await client.rest()

    async def settled(self, *, connections: int = 0) -> None:
        """Waits until no request runs and this many connections are left."""
        async with asyncio.timeout(PATIENCE_S):
            while self.server.server_state.tasks or self.door.census.open != connections:
                await asyncio.sleep(0.01)


@dataclass
class Client:
    """One raw connection."""

    raw: socket.socket

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(self.raw, data)

    async def read(self, most: int = 65536) -> bytes:
        """Some bytes, none at the end; a reset counts as the end."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await asyncio.get_running_loop().sock_recv(self.raw, most)
            except ConnectionError:
                return b""

    async def until(self, mark: bytes) -> bytes:
        """What comes up to and with `mark`."""
        got = b""
        while mark not in got:
            piece = await self.read()
            if not piece:
                raise AssertionError(f"closed before {mark!r} came: {got[-200:]!r}")
            got += piece
        return got

    async def rest(self) -> bytes:
        """Everything up to the end."""
        got = b""
        while piece := await self.read():
            got += piece
        return got

    def end_sending(self) -> None:
        """FIN, while reading goes on."""
        self.raw.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.raw.close()


async def connected(port: int, *, buffer: int | None = None) -> Client:
    """A new connection; `buffer`: how many bytes it takes without reading them."""
    raw = socket.socket()
    raw.setblocking(False)
    if buffer is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    return Client(raw)


@asynccontextmanager
async def edge(
    app: ASGIApp,
    *,
    lifecycle: Lifecycle | None = None,
    drain_delay_s: float = 0.0,
    drain_timeout_s: float = 2.0,
    **limits: float,
) -> AsyncIterator[Edge]:
    """`limits` are those of `http/edge/limits.py`."""
    lifecycle = lifecycle or Lifecycle()
    lifecycle.ready()
    door = Door(Limits(**limits), lifecycle, lifecycle.census)  # type: ignore[arg-type]
    server = Server(app, door, drain_delay_s=drain_delay_s, drain_timeout_s=drain_timeout_s)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        guard(listener, write_timeout_s=door.limits.write_timeout_s)
        port = listener.getsockname()[1]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await server.listening.wait()
        edge = Edge(server, door, port, running)
        try:
            yield edge
        finally:
            for client in edge.clients:
                client.close()
            server.leave()
            server.leave()
            await running


def post(body: bytes, headers: str = "", path: str = "/v1/chat/completions") -> bytes:
    """A request whose body has an announced length."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n{headers}\r\n".encode() + body


def open_files() -> int:
    """File descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def statuses(answers: bytes) -> list[int]:
    """The status of every response in these bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
