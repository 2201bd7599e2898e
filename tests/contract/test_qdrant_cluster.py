"""A Qdrant cluster: how collections are spread and copied, how many copies a read asks, and a node that is gone."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Literal
from uuid import UUID

import grpc
import orjson
import pytest
from pydantic import ValidationError
from qdrant_client import grpc as qdrant

from fakes.chunks import query
from fakes.faulty import Heard, faulty
from fakes.qdrant import COLLECTION, TEXT, answer
from tandem.adapters.qdrant.conditions import EVERYTHING
from tandem.adapters.qdrant.connection import connected
from tandem.adapters.qdrant.replication import Replication
from tandem.adapters.qdrant.server import ServerEngine, qdrant_vectors
from tandem.adapters.qdrant.writing import Pressure, Writing
from tandem.app.features import Vectors as VectorSettings
from tandem.domain.document import Recipe
from tandem.domain.errors import TandemError, UpstreamUnavailable
from tandem.domain.lineage import Lineage

SPREAD = {"shard_number": 6, "replication_factor": 3, "write_consistency_factor": 2}
ASKED = query("harbour")
MADE = Recipe("minilm@1", 384, "bm25@1", "structure@1")


def takes(heard: Heard) -> tuple[int, bytes]:
    """A server that makes whatever collection it is asked for."""
    found: Any = True if heard.line.startswith("PUT") else COLLECTION
    return 200, orjson.dumps({"result": found, "status": "ok", "time": 0.0})


@pytest.mark.parametrize(("replication", "told"), [(Replication(**SPREAD), SPREAD), (Replication(), {})])
async def test_a_collection_is_made_as_the_settings_say_or_the_servers_own(
    replication: Replication, told: dict[str, int]
) -> None:
    async with (
        faulty(takes) as server,
        connected(server.url, api_key=None, grpc_port=None, timeout_s=5, max_kept=2) as connection,
    ):
        engine = ServerEngine(connection, Writing(Pressure()), indexed=False, replication=replication)
        await engine.create("docs@1", MADE, Lineage())
    body = orjson.loads(next(heard.body for heard in server.heard if heard.line.startswith("PUT")))
    assert {name: body[name] for name in SPREAD if body.get(name) is not None} == told


@pytest.mark.parametrize(("wanted", "told"), [(2, "consistency=2"), ("quorum", "consistency=quorum"), (None, None)])
async def test_every_read_asks_as_many_copies_as_are_wanted(
    wanted: int | Literal["quorum"] | None, told: str | None
) -> None:
    async with (
        faulty(answer("acme")) as server,
        connected(server.url, api_key=None, grpc_port=None, timeout_s=5, max_kept=2) as connection,
    ):
        replication = Replication(read_consistency=wanted)
        engine = ServerEngine(connection, Writing(Pressure()), indexed=False, replication=replication)
        for reading in (
            engine.query("docs@1", ASKED.dense, ASKED.sparse, EVERYTHING, 3),
            engine.retrieve("docs@1", [str(UUID(int=1))]),
            engine.scroll("docs@1", EVERYTHING),
            engine.values("docs@1", "source", EVERYTHING, 5),
        ):
            # This server knows searches only: what it was asked is what counts.
            with suppress(TandemError):
                await reading
    reads = [heard.line for heard in server.heard if heard.line.startswith("POST")]
    assert len(reads) == 4
    for line in reads:
        assert ("consistency" not in line) if told is None else (told in line), line


class Points(qdrant.PointsServicer):
    """Finds nothing, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[qdrant.QueryBatchPoints] = []

    async def QueryBatch(self, request: qdrant.QueryBatchPoints, _: grpc.aio.ServicerContext) -> object:  # noqa: N802
        self.asked.append(request)
        result = [qdrant.BatchResult(result=[]) for _ in request.query_points]
        return qdrant.QueryBatchResponse(result=result, time=0.0)


async def test_over_grpc_too_a_search_asks_as_many_copies() -> None:
    points, server = Points(), grpc.aio.server()
    qdrant.points_service_pb2_grpc.add_PointsServicer_to_server(points, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        chosen = Replication(read_consistency="majority")
        async with qdrant_vectors("http://127.0.0.1:9", grpc_port=port, replication=chosen) as vectors:
            await vectors.search("docs@1", ASKED)
    finally:
        await server.stop(0)
    assert points.asked[0].read_consistency.type == qdrant.ReadConsistencyType.Majority


@contextmanager
def _deaf() -> Iterator[socket.socket]:
    """Like a node whose machine is gone: who connects is not even refused. Accepting makes room for others."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(listener.getsockname())
        try:
            yield listener
        finally:
            for each in waiting:
                each.close()


async def test_a_node_that_is_gone_is_given_up_soon() -> None:
    with _deaf() as node:
        url = f"http://127.0.0.1:{node.getsockname()[1]}"
        async with qdrant_vectors(url, timeout_s=10, connect_timeout_s=0.2) as vectors:
            began = time.monotonic()
            with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
                await vectors.search("docs@1", ASKED)
            assert 0.4 <= time.monotonic() - began < 5


@asynccontextmanager
async def _one_of_two_gone() -> AsyncIterator[str]:
    """A name behind which the first connection leads to a node that is gone, and later ones to one that answers."""
    async with faulty(answer("acme")) as living:

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", living.port)

            async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
                while piece := await source.read(65_536):
                    target.write(piece)
                target.close()

            await asyncio.gather(pump(reader, back), pump(there, writer))

        with _deaf() as node:

            async def recovers() -> asyncio.Server:
                # Between the first try, which is lost, and the second.
                await asyncio.sleep(0.3)
                return await asyncio.start_server(relay, sock=node)

            starting = asyncio.create_task(recovers())
            try:
                yield f"http://127.0.0.1:{node.getsockname()[1]}"
            finally:
                (await starting).close()


async def test_the_second_try_to_connect_finds_a_node_that_answers() -> None:
    async with _one_of_two_gone() as url, qdrant_vectors(url, timeout_s=10, connect_timeout_s=0.6) as vectors:
        assert [each.chunk.text for each in (await vectors.search("docs@1", ASKED)).fused] == [TEXT]


@pytest.mark.parametrize("name", ["write_consistency_factor", "read_consistency"])
def test_more_copies_than_there_are_cannot_agree(name: str) -> None:
    with pytest.raises(ValidationError, match=f"vectors.{name} is 3, but vectors.replication_factor keeps 2 copies"):
        VectorSettings.model_validate({"replication_factor": 2, name: 3})
    assert VectorSettings.model_validate({name: 3}).replication_factor is None
