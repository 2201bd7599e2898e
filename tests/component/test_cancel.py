"""A client that leaves takes its work along, wherever it is: the upstream is closed, the slot is free, and it is counted."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from component.asking import serving
from component.deployments import Process
from fakes.edge import Client, connected, post
from fakes.leaks import until
from fakes.upstream import DONE, USAGE, Call, Upstream, piece, upstream

# An idle machine takes a few milliseconds, a busy one with two cores gets this long.
SOON_S = 1.0
pytestmark = pytest.mark.component


async def _predictor(call: Call) -> None:
    """Speaks until the client leaves: `keep silent`: before the first token, `one word`: at once and whole."""
    if "models" in call.line:
        await call.answer(200, orjson.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}))
        return
    await call.begin()
    if b"keep silent" in call.body:
        await call.left.wait()
        return
    if b"one word" in call.body:
        await call.part(piece("word ", "stop") + USAGE + DONE)
        await call.end()
        return
    for _ in range(10_000):
        await call.part(piece("word "))
        await asyncio.sleep(0.01)


async def _retriever(call: Call) -> None:
    """Finds nothing, at once or never."""
    if b"endless" in call.body:
        await call.left.wait()
        return
    await call.answer(503, b'{"error":{"message":"away","type":"x","code":"upstream_unavailable"}}')


def questions(server: Upstream) -> list[Call]:
    """The calls that ask for work, rather than what there is."""
    return [call for call in server.calls if call.line.startswith("POST")]


class Fleet:
    """A gateway with one slot, between a predictor and a retriever that write down when they were left."""

    def __init__(self, gateway: Process, predictor: Upstream, retriever: Upstream, http: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.predictor = predictor
        self.retriever = retriever
        self.http = http

    async def metric(self, line: str) -> float:
        async with self.http.get(f"{self.gateway.url}/metrics") as reply:
            found = re.search(rf"^{re.escape(line)} (\S+)$", await reply.text(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def becomes(self, line: str, value: float) -> None:
        """Waits until a metric has this value."""
        async with asyncio.timeout(5):
            while await self.metric(line) != value:
                await asyncio.sleep(0.01)

    async def asking(self, said: str, *, stream: bool = True) -> Client:
        """A client that has asked."""
        client = await connected(int(self.gateway.url.rpartition(":")[2]))
        messages = [{"role": "user", "content": said}]
        await client.send(post(orjson.dumps({"model": "tandem", "stream": stream, "messages": messages})))
        return client

    async def called(self, server: Upstream, calls: int) -> Call:
        """The newest question to `server`, once there are more than `calls`."""
        assert await until(lambda: len(questions(server)) > calls)
        return questions(server)[-1]

    async def slot_is_free(self) -> None:
        """Whoever comes next is served at once."""
        async with asyncio.timeout(SOON_S + 4):
            client = await self.asking("one word")
            await client.until(b"[DONE]")
            client.close()


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    one_slot = {f"admission__{name}": 1 for name in ("initial", "min", "max")}
    async with (
        upstream(_predictor) as predictor,
        upstream(_retriever) as retriever,
        serving("gateway", folder, predictor__url=predictor.url, predictor__protocol="openai", predictor__model="m",
                retriever__url=retriever.url, retrieval__on_failure="answer_without", **one_slot) as gateway,
        aiohttp.ClientSession() as http,
    ):  # fmt: skip
        yield Fleet(gateway, predictor, retriever, http)


async def test_leaving_at_any_moment_frees_everything(tmp_path: Path) -> None:
    stages: dict[str, float] = {}
    async with fleet(tmp_path) as platform:
        for stream in (True, False):
            for said, server, stage in (
                ("go on", platform.predictor, "generation"),
                ("keep silent", platform.predictor, "generation"),
                ("endless", platform.retriever, "retrieval"),
            ):
                stages[stage] = stages.get(stage, 0) + 1
                await _leaves(platform, said, server, stream=stream)
                await platform.becomes(f'tandem_client_closed_total{{stage="{stage}"}}', stages[stage])
                await platform.becomes('tandem_pool_running{pool="default"}', 0)
                await platform.slot_is_free()
            await _leaves_the_queue(platform, stream=stream)
            stages["queue"] = stages.get("queue", 0) + 1
            stages["generation"] += 1
            for stage, left in stages.items():
                await platform.becomes(f'tandem_client_closed_total{{stage="{stage}"}}', left)
        route = '{route="/v1/chat/completions",status="499"}'
        assert await platform.metric(f"tandem_responses_total{route}") == sum(stages.values()) == 10
        assert await platform.metric("tandem_requests_in_flight") == 1


async def _leaves(platform: Fleet, said: str, server: Upstream, *, stream: bool) -> None:
    calls = len(questions(server))
    client = await platform.asking(said, stream=stream)
    call = await platform.called(server, calls)
    if said == "go on" and stream:
        await client.until(b"word ")
    else:
        await asyncio.sleep(0.05)
    client.close()
    async with asyncio.timeout(SOON_S):
        await call.left.wait()


async def _leaves_the_queue(platform: Fleet, *, stream: bool) -> None:
    calls = len(questions(platform.predictor))
    running = await platform.asking("go on")
    await running.until(b"word ")
    waiting = await platform.asking("go on", stream=stream)
    await platform.becomes('tandem_pool_waiting{pool="default"}', 1)
    waiting.close()
    await platform.becomes('tandem_pool_waiting{pool="default"}', 0)
    # It never came to the predictor, and the one that runs goes on.
    assert len(questions(platform.predictor)) == calls + 1
    await running.until(b"word ")
    running.close()
    await platform.slot_is_free()


async def test_the_connection_to_the_predictor_is_not_used_again_after_it_was_left(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    async with fleet(tmp_path) as platform:
        client = await platform.asking("go on")
        await client.until(b"word ")
        client.close()
        seen["left"] = questions(platform.predictor)[-1]
        async with asyncio.timeout(SOON_S):
            await seen["left"].left.wait()
        for _ in range(3):
            answer = await platform.asking("one word")
            told = await answer.until(b"[DONE]")
            # What the predictor had still said to the one who left is nobody's.
            assert told.count(b'"content":"word ') == 1
            answer.close()
