"""Writes to a Qdrant server that has no room, or restarts: they wait, and so does whoever has more to write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fakes.chunks import embedded, record
from fakes.live import live
from tandem.adapters.qdrant.connection import connected
from tandem.adapters.qdrant.payload import NewPoint, new_point
from tandem.adapters.qdrant.server import ServerEngine
from tandem.adapters.qdrant.writing import Pressure, Writing
from tandem.domain.errors import Overloaded, TandemError, UpstreamFailed, UpstreamUnavailable

DONE = {"result": {"operation_id": 1, "status": "completed"}, "status": "ok", "time": 0.0}


class Server:
    """Gives the planned answers first, then takes everything."""

    def __init__(self, *answers: Response, delay_s: float = 0.0) -> None:
        self._answers = list(answers)
        self._delay_s = delay_s
        self.writes = 0
        self.running = 0
        self.most_running = 0
        self.app = Starlette(routes=[Route("/{path:path}", self._write, methods=["PUT", "POST"])])

    async def _write(self, _: Request) -> Response:
        self.writes += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(self._delay_s)
        self.running -= 1
        return self._answers.pop(0) if self._answers else JSONResponse(DONE)


def refused(status: int, **headers: str) -> Response:
    return JSONResponse({"status": {"error": "no"}, "time": 0.0}, status_code=status, headers=headers)


def points() -> list[NewPoint]:
    return [new_point("acme", record("a.md", ["tea"]), each) for each in embedded("a.md", ["tea"])]


@asynccontextmanager
async def engine(server: Server, pressure: Pressure, pauses: list[float]) -> AsyncIterator[ServerEngine]:
    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with (
        live(server.app) as url,
        connected(url, api_key=None, grpc_port=None, timeout_s=5, max_kept=8) as connection,
    ):
        yield ServerEngine(connection, Writing(pressure, pause), indexed=True)


async def test_a_write_waits_for_room_as_long_as_it_is_told() -> None:
    pauses: list[float] = []
    answers = [refused(429, **{"retry-after": "3"}), refused(503, **{"retry-after": "2"}), refused(502)]
    server = Server(*answers)
    async with engine(server, Pressure(), pauses) as store:
        await store.upsert("docs@1", points())
    assert (server.writes, pauses) == (4, [3.0, 2.0, 1.0])


@pytest.mark.parametrize(("status", "error"), [(429, Overloaded), (503, UpstreamUnavailable)])
async def test_patience_has_an_end(status: int, error: type[TandemError]) -> None:
    pauses: list[float] = []
    server = Server(*[refused(status, **{"retry-after": "4"}) for _ in range(9)])
    async with engine(server, Pressure(patience_s=9), pauses) as store:
        with pytest.raises(error):
            await store.upsert("docs@1", points())
    assert pauses == [4.0, 4.0]


async def test_what_is_wrong_with_the_write_itself_is_told_at_once() -> None:
    pauses: list[float] = []
    server = Server(refused(400))
    async with engine(server, Pressure(), pauses) as store:
        with pytest.raises(UpstreamFailed):
            await store.upsert("docs@1", points())
    assert (server.writes, pauses) == (1, [])


async def test_so_many_writes_at_a_time() -> None:
    server = Server(delay_s=0.02)
    async with engine(server, Pressure(at_once=3), []) as store:
        await asyncio.gather(*(store.upsert("docs@1", points()) for _ in range(12)))
    assert (server.writes, server.most_running) == (12, 3)
