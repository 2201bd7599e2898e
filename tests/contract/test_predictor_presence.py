"""Nobody's generation outlives whoever waits for it, and nothing waits for ever."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import pytest

from fakes.predictor import JSON, Predictor, predictor
from tandem.adapters.scripted.engine import ScriptedEngine
from tandem.ports.engine import EngineLimits

ENDLESS = ("la",) * 700
ONE_SLOT = EngineLimits(max_total_tokens=768, max_concurrent_requests=2, parallel=1)
CHAT = {"messages": [{"role": "user", "content": "Sing"}]}
ROUTES = [
    ("/generate", {"inputs": "Sing"}),
    ("/generate_stream", {"inputs": "Sing"}),
    ("/", {"inputs": "Sing", "stream": True}),
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, "stream": True}),
    ("/v1/completions", {"prompt": "Sing", "stream": True}),
]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def leave_when(ours: Predictor[ScriptedEngine], path: str, body: Any, condition: Callable[[], bool]) -> None:
    """Ask, and close the connection once the condition holds."""
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(_read(session, ours.url + path, body))
        await until(condition)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _read(session: aiohttp.ClientSession, url: str, body: Any) -> bytes:
    async with session.post(url, json=body) as reply:
        return await reply.read()


@pytest.mark.parametrize(("path", "body"), ROUTES)
async def test_a_client_that_leaves_frees_its_slot(path: str, body: Any) -> None:
    engine = ScriptedEngine(ENDLESS, delay_s=0.02)
    async with predictor(engine) as ours:
        await leave_when(ours, path, body, lambda: engine.load.running == 1)
        await until(lambda: engine.load.running == 0)
        assert engine.left_early == 1
        assert await ours.metric('tgi_request_failure{err="dropped"}') == 1
        assert await ours.metric("tgi_batch_current_max_tokens") == 0


@pytest.mark.parametrize(("path", "body"), ROUTES)
async def test_a_client_that_leaves_while_it_waits_is_not_served(path: str, body: Any) -> None:
    engine = ScriptedEngine(ENDLESS, delay_s=0.02, limits=ONE_SLOT)
    async with predictor(engine) as ours, aiohttp.ClientSession() as session:
        running = asyncio.create_task(_read(session, f"{ours.url}/generate_stream", {"inputs": "Hold"}))
        await until(lambda: engine.load.running == 1)
        await leave_when(ours, path, body, lambda: engine.load.waiting == 1)
        await until(lambda: engine.load.waiting == 0)
        assert engine.load.running == 1
        assert engine.left_early == 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_waiting_and_running_show_in_the_metrics() -> None:
    engine = ScriptedEngine(ENDLESS, delay_s=0.02, limits=ONE_SLOT)
    body = {"inputs": "Sing", "parameters": {"max_new_tokens": 500}}
    async with predictor(engine) as ours, aiohttp.ClientSession() as session:
        asking = [asyncio.create_task(_read(session, f"{ours.url}/generate", body)) for _ in range(2)]
        await until(lambda: (engine.load.running, engine.load.waiting) == (1, 1))
        assert await ours.metric("tgi_batch_current_size") == 1
        assert await ours.metric("tgi_queue_size") == 1
        assert await ours.metric("tgi_batch_current_max_tokens") == 500
        refused = await ours.post("/generate", body)
        assert (refused.status, refused.json["error_type"]) == (429, "overloaded")
        assert await ours.metric('tgi_request_failure{err="overloaded"}') == 1
        # A full model is a healthy one.
        assert (await ours.get("/health")).status == 200
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize("path", ["/generate", "/generate_stream"])
async def test_the_callers_deadline_ends_it(path: str) -> None:
    engine = ScriptedEngine(ENDLESS, delay_s=0.05)
    async with predictor(engine) as ours:
        reply = await ours.post(path, {"inputs": "Sing"}, {**JSON, "x-request-timeout-ms": "200"})
    last = reply.body.removesuffix(b"\n\n").rpartition(b"data: ")[2]
    assert reply.status == (504 if path == "/generate" else 200)
    assert orjson.loads(last)["error_type"] == "timeout"
    assert engine.contexts[0].deadline_s is not None
    assert engine.load.running == 0


async def test_without_a_deadline_of_its_own_a_request_has_the_configured_one() -> None:
    engine = ScriptedEngine(ENDLESS, delay_s=0.05)
    async with predictor(engine, request_timeout_s=0.1) as ours:
        assert (await ours.post("/generate", {"inputs": "Sing"})).status == 504
    engine = ScriptedEngine(("la",))
    async with predictor(engine) as ours:
        await ours.post("/generate", {"inputs": "Sing"})
    assert engine.contexts[0].deadline_s is None


async def test_a_deadline_that_is_none_is_refused() -> None:
    async with predictor(ScriptedEngine(("la",))) as ours:
        reply = await ours.post("/generate", {"inputs": "Sing"}, {**JSON, "x-request-timeout-ms": "soon"})
    assert (reply.status, reply.json["error_type"]) == (422, "validation")


async def test_a_silent_stream_is_kept_alive() -> None:
    async with predictor(ScriptedEngine(("la",), delay_s=0.3), keep_alive_s=0.05) as ours:
        reply = await ours.post("/generate_stream", {"inputs": "Sing"})
    assert reply.body.startswith(b":\n\n:\n\n")
    assert reply.body.endswith(b"}\n\n")


async def test_a_slow_reader_slows_the_model() -> None:
    engine = ScriptedEngine(("la" * 50_000,) * 700)
    async with predictor(engine) as ours, aiohttp.ClientSession() as session:
        async with session.post(f"{ours.url}/generate_stream", json={"inputs": "Sing"}) as reply:
            await reply.content.readany()
            await until(lambda: engine.load.running == 1)
            # 70 MB wait to be said; what fits the buffers is a fraction, so it still runs when asked again.
            for _ in range(20):
                await asyncio.sleep(0.01)
            assert engine.load.running == 1
        await until(lambda: engine.load.running == 0)
    assert engine.left_early == 1
