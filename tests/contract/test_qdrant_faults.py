"""A Qdrant server that is away, slow, comes back, or breaks off: over real sockets, in every way that one can."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from qdrant_client import grpc as qdrant

from fakes.chunks import query
from fakes.faulty import Fault, Faulty, Heard, faulty
from fakes.qdrant import TEXT, answer
from tandem.adapters.qdrant.server import qdrant_vectors
from tandem.domain.errors import TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.ports.vectors import Vectors

ASKED = query("harbour")


@asynccontextmanager
async def store(*, timeout_s: float = 5.0, max_concurrency: int = 32) -> AsyncIterator[tuple[Faulty, Vectors]]:
    async with (
        faulty(answer("acme")) as server,
        qdrant_vectors(server.url, timeout_s=timeout_s, max_concurrency=max_concurrency) as vectors,
    ):
        yield server, vectors


async def found(vectors: Vectors) -> list[str]:
    return [each.chunk.text for each in (await vectors.search("docs@1", ASKED)).fused]


async def test_connections_are_kept() -> None:
    async with store() as (server, vectors):
        for _ in range(5):
            assert await found(vectors) == [TEXT]
        assert server.connections == 1


@pytest.mark.parametrize("fault", ["hangup", "reset", "half", "garbage"])
async def test_a_connection_that_breaks_is_replaced_once_for_a_read(fault: Fault) -> None:
    async with store() as (server, vectors):
        assert await found(vectors) == [TEXT]

        def stale(heard: Heard) -> Fault | None:
            return fault if heard.earlier else None

        server.fault = stale
        assert await found(vectors) == [TEXT]
        assert len(server.heard) == 3
        server.fault = fault
        server.heard.clear()
        with pytest.raises(UpstreamUnavailable):
            await vectors.search("docs@1", ASKED)
        assert len(server.heard) == 2


async def test_many_dead_connections_cost_one_more_call_each_at_most() -> None:
    async with store() as (server, vectors):
        server.delay_s = 0.05
        await asyncio.gather(*(found(vectors) for _ in range(16)))
        kept, server.delay_s = server.open, 0.0
        assert kept == 16
        server.fault = lambda heard: "hangup" if heard.connection <= kept else None
        assert await asyncio.gather(*(found(vectors) for _ in range(16))) == [[TEXT]] * 16


async def test_a_write_is_not_made_again() -> None:
    async with store() as (server, vectors):
        server.fault = "hangup"
        with pytest.raises(UpstreamUnavailable):
            await vectors.delete_document("docs@1", "acme", "harbour.md")
        reads = len(server.heard)
        assert all("POST" in heard.line for heard in server.heard)
        assert reads == 2
        assert not any("delete" in heard.line for heard in server.heard)


async def test_a_server_that_was_restarted_is_found_again_without_a_new_client() -> None:
    async with store() as (server, vectors):
        assert await found(vectors) == [TEXT]
        await server.stop()
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable):
                await found(vectors)
        await server.start()
        assert await found(vectors) == [TEXT]


async def test_a_silent_server_is_given_up_at_the_nearer_bound() -> None:
    async with store(timeout_s=0.4) as (server, vectors):
        server.fault = "silent"
        for within_s, bound_s in ((None, 0.4), (30.0, 0.4), (0.1, 0.1)):
            began = time.monotonic()
            with pytest.raises(UpstreamUnavailable, match="did not answer"):
                await vectors.search("docs@1", replace(ASKED, within_s=within_s))
            assert bound_s <= time.monotonic() - began < bound_s + 1.0
        assert len(server.heard) == 3


async def test_the_server_is_told_how_long_it_is_waited_for() -> None:
    async with store() as (server, vectors):
        await vectors.search("docs@1", replace(ASKED, within_s=2.3))
        await vectors.search("docs@1", ASKED)
    assert "timeout=3" in server.heard[0].line
    assert "timeout" not in server.heard[1].line


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"result": null, "status": "ok", "time": 0.0}', UpstreamFailed),
        (b'{"result": [], "status": "ok", "time": 0.0}', UpstreamFailed),
        (b'{"result": [{"points": [{"id": 1}]}], "status": "ok", "time": 0.0}', UpstreamFailed),
        (b'{"result": 7}', UpstreamFailed),
        (b"[]", UpstreamFailed),
        (b"\xff\xfe", UpstreamFailed),
        (b"", UpstreamFailed),
    ],
)
async def test_answers_that_are_no_search(body: bytes, kind: type[TandemError]) -> None:
    async with faulty(lambda _: (200, body)) as server, qdrant_vectors(server.url, timeout_s=5) as vectors:
        with pytest.raises(kind):
            await vectors.search("docs@1", ASKED)


async def test_a_slow_store_is_given_so_many_searches_and_no_more() -> None:
    async with store(max_concurrency=4) as (server, vectors):
        server.delay_s = 0.05
        assert await asyncio.gather(*(found(vectors) for _ in range(20))) == [[TEXT]] * 20
        assert server.most_running == 4
        assert server.connections <= 5


async def test_who_would_wait_in_vain_is_refused_at_once() -> None:
    async with store(max_concurrency=2) as (server, vectors):
        server.delay_s = 0.3
        await asyncio.gather(found(vectors), found(vectors))
        waiting = [asyncio.create_task(found(vectors)) for _ in range(8)]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        with pytest.raises(UpstreamUnavailable, match="too slow now: 2 searches run and 6 wait") as caught:
            await vectors.search("docs@1", replace(ASKED, within_s=0.2))
        assert time.monotonic() - began < 0.15
        assert caught.value.retry_after_s is not None
        assert await asyncio.gather(*waiting) == [[TEXT]] * 8


async def test_who_leaves_while_waiting_leaves_nothing_behind() -> None:
    async with store(max_concurrency=2) as (server, vectors):
        server.fault = "silent"
        searching = [asyncio.create_task(found(vectors)) for _ in range(6)]
        await asyncio.sleep(0.1)
        for task in searching:
            task.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError)
            for each in await asyncio.gather(*searching, return_exceptions=True)
        )
        assert len(server.heard) == 2
        server.fault = None
        assert await asyncio.gather(*(found(vectors) for _ in range(4))) == [[TEXT]] * 4


def sockets() -> int:
    """Open ones of this process."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += entry.readlink().name.startswith("socket")
    return found


async def test_nothing_leaks() -> None:
    async with store(timeout_s=0.2, max_concurrency=4) as (server, vectors):
        await found(vectors)
        before, tasks = sockets(), len(asyncio.all_tasks())
        faults: list[Fault] = ["silent", "hangup", "reset", "half", "garbage"]
        for fault in faults:
            server.fault = fault
            await asyncio.gather(*(found(vectors) for _ in range(8)), return_exceptions=True)
        await server.stop()
        await asyncio.gather(*(found(vectors) for _ in range(8)), return_exceptions=True)
        await server.start()
        server.fault = None
        assert await found(vectors) == [TEXT]
        await asyncio.sleep(0.05)
        assert sockets() <= before + 2
        assert len(asyncio.all_tasks()) <= tasks + 1


class Points(qdrant.PointsServicer):
    """Qdrant's gRPC service, as far as a search needs it."""

    def __init__(self) -> None:
        self.timeouts: list[float | None] = []
        self.aborts: list[grpc.StatusCode] = []

    async def QueryBatch(self, request: qdrant.QueryBatchPoints, context: grpc.aio.ServicerContext) -> object:  # noqa: N802
        self.timeouts.append(context.time_remaining())
        if self.aborts:
            await context.abort(self.aborts.pop(), "said the server")
        result = [qdrant.BatchResult(result=[]) for _ in request.query_points]
        return qdrant.QueryBatchResponse(result=result, time=0.0)


@asynccontextmanager
async def grpc_server(points: Points, port: int = 0) -> AsyncIterator[int]:
    server = grpc.aio.server()
    qdrant.points_service_pb2_grpc.add_PointsServicer_to_server(points, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


async def test_over_grpc_too_a_restarted_server_is_found_again() -> None:
    points = Points()
    async with grpc_server(points) as port:
        pass
    async with qdrant_vectors("http://127.0.0.1:9", grpc_port=port, timeout_s=5) as vectors:
        with pytest.raises(UpstreamUnavailable):
            await vectors.search("docs@1", ASKED)
        for _ in range(2):
            async with grpc_server(points, port):
                until = time.monotonic() + 4
                while time.monotonic() < until:
                    try:
                        await vectors.search("docs@1", replace(ASKED, within_s=2.0))
                        break
                    except UpstreamUnavailable:
                        await asyncio.sleep(0.1)
                else:
                    raise AssertionError("not found again within 4 s")
    assert points.timeouts[-1] is not None
    assert points.timeouts[-1] < 3


async def test_over_grpc_a_broken_call_is_made_again_once() -> None:
    points = Points()
    async with (
        grpc_server(points) as port,
        qdrant_vectors("http://127.0.0.1:9", grpc_port=port, timeout_s=5) as vectors,
    ):
        points.aborts = [grpc.StatusCode.UNAVAILABLE]
        assert (await vectors.search("docs@1", ASKED)).fused == ()
        points.aborts = [grpc.StatusCode.UNAVAILABLE] * 2
        with pytest.raises(UpstreamUnavailable):
            await vectors.search("docs@1", ASKED)
        assert len(points.timeouts) == 4
