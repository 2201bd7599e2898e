"""Leaving, in one process: what still runs when the time is up hears it in its own dialect, and the rest of the house is shut."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from fakes.answers import FOUND, ScriptedAnswers
from fakes.api import Api
from fakes.edge import edge, post, statuses
from tandem.adapters.scripted.engine import ScriptedEngine
from tandem.app.clock import SystemClock
from tandem.domain.generation import Token
from tandem.http.edge.census import Closed
from tandem.http.lifecycle import Lifecycle
from tandem.http.predictor.app import predictor_app
from tandem.observe.metrics import Metrics

ASK = {"model": "tandem", "messages": [{"role": "user", "content": "When?"}]}


def _asked(stream: bool) -> bytes:
    return post(json.dumps(ASK | {"stream": stream}).encode())


@pytest.mark.parametrize(("said", "stream", "head"), [([Token("At ")], True, 200), ([], True, 503), ([], False, 503)])
async def test_time_is_up_for_every_kind_of_answer(said: list[Token], stream: bool, head: int) -> None:
    api = Api(answers=ScriptedAnswers([FOUND, *said, asyncio.Event()]))
    async with edge(api.app, lifecycle=api.lifecycle, drain_timeout_s=0.2) as server:
        client = await server.client()
        await client.send(_asked(stream))
        await api.answers.entered.wait()
        assert server.server.leave()
        answer = await client.rest()
        await server.running
    assert statuses(answer) == [head]
    assert b"[DONE]" not in answer
    last = answer.split(b"data: ")[-1] if head == 200 else answer.partition(b"\r\n\r\n")[2]
    assert json.loads(last.split(b"\n\n")[0])["error"]["code"] == "server_shutting_down"
    assert answer.endswith(b"0\r\n\r\n") == (head == 200)
    assert api.answers.cancelled or api.answers.left.is_set()
    sample = api.metrics.registry.get_sample_value
    assert sample("tandem_responses_total", {"route": "/v1/chat/completions", "status": "503"}) == 1
    assert sample("tandem_requests_in_flight") == 0


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/generate_stream", {"inputs": "Hi"}, {"error_type": "server_shutting_down"}),
        ("/v1/chat/completions", ASK | {"stream": True, "model": "tgi"}, {}),
    ],
)
async def test_a_predictor_says_so_in_the_dialect_it_was_asked_in(
    path: str, body: dict[str, Any], told: dict[str, str]
) -> None:
    metrics, lifecycle = Metrics("0", "predictor"), Lifecycle()
    engine = ScriptedEngine(["word "] * 600, delay_s=0.02)
    app = predictor_app(
        engine, lifecycle=lifecycle, registry=metrics.registry, meter=metrics, version="0", clock=SystemClock()
    )
    async with edge(app, lifecycle=lifecycle, drain_timeout_s=0.2) as server:
        client = await server.client()
        await client.send(post(json.dumps(body).encode(), path=path))
        await client.until(b"data:")
        server.server.leave()
        answer = await client.rest()
    last = json.loads(answer.split(b"data: ")[-1].split(b"\n\n")[0])
    assert told.items() <= last.items()
    assert "shutting down" in json.dumps(last)


async def test_whoever_does_not_even_read_the_farewell_is_cut_off() -> None:
    stuck = asyncio.Event()

    async def deaf(_: Scope, __: Receive, send: Send) -> None:
        """Cancelling it does not help: it goes on writing to a client that does not read."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            try:
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            except asyncio.CancelledError:
                stuck.set()
            if stuck.is_set() and lifecycle.over and server.door.census.open == 0:
                return

    lifecycle = Lifecycle()
    async with edge(deaf, lifecycle=lifecycle, drain_timeout_s=0.1) as server:
        client = await server.client(buffer=4096)
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.until(b"\r\n\r\n")
        began = asyncio.get_running_loop().time()
        server.server.leave()
        async with asyncio.timeout(10):
            await server.running
        assert asyncio.get_running_loop().time() - began < 6
        assert server.closed(Closed.drained) == 1
