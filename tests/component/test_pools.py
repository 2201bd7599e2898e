"""A real front before pools of servers that fail in every way: who answers, who is never asked, what the metrics say."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from component.deployments import Process, start, stop
from fakes.faults import answering, never_answers, streaming, whole
from fakes.leaks import until
from fakes.upstream import DONE, USAGE, Call, Say, Upstream, piece, upstream

MODEL = {"id": "m", "engine": "openai", "context_tokens": 4096}


class Server:
    """An upstream whose behaviour is changed in the middle of a test."""

    def __init__(self) -> None:
        self.say: Say = whole
        self.upstream: Upstream

    @property
    def asked(self) -> int:
        return sum("chat/completions" in call.line for call in self.upstream.calls)

    async def _spoken(self, call: Call) -> None:
        if "chat/completions" in call.line:
            await self.say(call)
        else:
            await call.answer(200, b'{"object":"list","data":[{"id":"m"}]}')

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator["Server"]:
        async with upstream(self._spoken, port=port) as self.upstream:
            yield self


def pool(name: str, *servers: str, **more: Any) -> dict[str, Any]:
    endpoints = [{"url": url, "protocol": "openai", "model": "m"} for url in servers]
    return {"name": name, "endpoints": endpoints, **more}


def fixed(limit: int) -> dict[str, int]:
    return {"initial": limit, "min": limit, "max": limit}


@asynccontextmanager
async def front(folder: Path, *pools: dict[str, Any], **more: Any) -> AsyncIterator[Process]:
    config = folder.with_suffix(".yaml")
    resilience = {"breaker_failures": 2, "breaker_open_s": 60, "backoff_s": 0.01, **more.pop("resilience", {})}
    config.write_text(
        yaml.safe_dump({"pools": list(pools), "retrieval": {"enabled": False}, "resilience": resilience, **more})
    )
    # In a thread: it asks the servers of this event loop for their model.
    process = await asyncio.to_thread(start, "all", folder, {}, "--config", str(config))
    try:
        yield process
    finally:
        await asyncio.to_thread(stop, process)


async def asked(url: str, key: str = "none", **body: Any) -> tuple[int, dict[str, Any], str | None]:
    """Status, body and Retry-After of one question."""
    message = {"messages": [{"role": "user", "content": "When?"}], **body}
    headers = {"authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/v1/chat/completions", json=message, headers=headers) as reply,
    ):
        return reply.status, await reply.json(), reply.headers.get("retry-after")


async def streamed(url: str) -> str:
    body = {"messages": [{"role": "user", "content": "When?"}], "stream": True}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/chat/completions", json=body) as reply:
        return (await reply.read()).decode()


async def route(url: str, key: str = "none") -> dict[str, Any]:
    status, body, _ = await asked(url, key)
    assert status == 200, body
    told: dict[str, Any] = body["tandem"]["route"]
    return told


async def metric(url: str, name: str, **labels: str) -> float:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as reply:
        lines = (await reply.text()).splitlines()
    wanted = name + ("{" + ",".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}" if labels else "")
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == wanted)


async def idle(url: str, name: str) -> bool:
    return not any([await metric(url, gauge, pool=name) for gauge in ("tandem_pool_running", "tandem_pool_waiting")])


async def test_servers_and_pools_stand_in_for_each_other(tmp_path: Path) -> None:
    async with Server().listening() as one, Server().listening() as two, Server().listening() as cloud:
        base = pool("base", one.upstream.url, two.upstream.url)
        async with front(
            tmp_path, base, pool("cloud", cloud.upstream.url, region="us"), resilience={"retry_share": 1}
        ) as process:
            assert await route(process.url) == {
                "pool": "base", "region": "default", "reason": "preferred", "attempts": 1, "allowed_regions": None,
            }  # fmt: skip
            one.say = answering(503, b"away")
            assert [(await route(process.url))["pool"] for _ in range(5)] == ["base"] * 5
            two.say = answering(503, b"away")
            reasons = [(await route(process.url))["reason"] for _ in range(4)]
            assert cloud.asked == 4, "no question was lost"
            assert reasons[-1] == "down", "open breakers are not asked again"
            known = one.asked + two.asked
            assert (await route(process.url))["reason"] == "down"
            assert one.asked + two.asked == known
            assert await metric(process.url, "tandem_pool_endpoints", pool="base", breaker="open") == 2
            assert await metric(process.url, "tandem_pool_requests_total", pool="cloud", reason="down") >= 2
            assert await idle(process.url, "base")
            assert await idle(process.url, "cloud")


async def test_policy_keeps_prompts_at_home_whatever_fails(tmp_path: Path) -> None:
    keys = [
        {"name": name, "tenant": name, "sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("acme", "any")
    ]
    async with Server().listening() as home, Server().listening() as cloud:
        home.say = answering(503, b"away")
        pools = pool("home", home.upstream.url, region="eu"), pool("cloud", cloud.upstream.url, region="us")
        tenants = {"acme": {"regions": ["eu"]}}
        collections = {"people": {"regions": ["eu"]}, "abroad": {"regions": ["us"]}}
        auth = {"mode": "keys", "keys": keys}
        async with front(tmp_path, *pools, tenants=tenants, collections=collections, auth=auth) as process:
            for _ in range(3):
                status, body, retry_after = await asked(process.url, "acme")
                assert (status, body["error"]["code"]) == (503, "upstream_unavailable")
                assert retry_after is not None
            status, body, _ = await asked(process.url, "any", tandem={"collection": "people"})
            assert status == 503
            assert cloud.asked == 0
            status, body, _ = await asked(process.url, "acme", tandem={"collection": "abroad"})
            assert (status, body["error"]["code"]) == (403, "residency_refused")
            assert await metric(process.url, "tandem_residency_refusals_total") == 1
            assert (await route(process.url, "any"))["pool"] == "cloud"
            home.say = whole


async def test_a_long_wait_spills_over_and_a_silent_server_is_left(tmp_path: Path) -> None:
    async with Server().listening() as base, Server().listening() as cloud:
        first = pool("base", base.upstream.url, admission=fixed(1), spill={"queue_wait_s": 0, "return_wait_s": 0})
        async with front(
            tmp_path, first, pool("cloud", cloud.upstream.url), resilience={"failover_idle_s": 0.3}
        ) as process:
            gone = asyncio.Event()

            async def slow(call: Call) -> None:
                await call.begin()
                await call.part(piece("a"))
                await gone.wait()
                await call.part(piece("b", "stop") + USAGE + DONE)
                await call.end()

            base.say = slow
            running = asyncio.create_task(route(process.url))
            assert await until(lambda: base.asked == 1)
            assert (await route(process.url))["reason"] == "queue_wait"
            assert await metric(process.url, "tandem_generation_demand", pool="base") == 1
            gone.set()
            assert (await running)["pool"] == "base"
        async with front(tmp_path / "idle", pool("base", base.upstream.url), pool("cloud", cloud.upstream.url),
                   resilience={"failover_idle_s": 0.3}) as process:  # fmt: skip
            base.say = never_answers
            told = await route(process.url)
            assert (told["pool"], told["reason"], told["attempts"]) == ("cloud", "failed", 2)
            assert await until(base.upstream.calls[-1].left.is_set), "the silent one is closed"


async def test_when_all_is_full_that_is_said_before_the_body_is_read(tmp_path: Path) -> None:
    async with Server().listening() as only:
        only.say = never_answers
        full = pool("base", only.upstream.url, admission={**fixed(1), "max_waiting": 1})
        async with front(tmp_path, full) as process:
            running = [asyncio.create_task(asked(process.url)) for _ in range(2)]
            async with asyncio.timeout(10):
                while not await metric(process.url, "tandem_pool_waiting", pool="base"):
                    await asyncio.sleep(0.02)
            async with aiohttp.ClientSession(process.url) as http:
                for _ in range(3):
                    # Not even JSON: nobody looks. The connection stays in use.
                    async with http.post("/v1/chat/completions", data=b"x" * 100_000) as reply:
                        assert (reply.status, (await reply.json())["error"]["code"]) == (429, "overloaded")
                        assert int(reply.headers["retry-after"]) >= 1
                async with http.get("/v1/models") as reply:
                    assert reply.status == 200
            assert await metric(process.url, "tandem_pool_refusals_total", pool="base", reason="full") == 3
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            async with asyncio.timeout(10):
                while not await idle(process.url, "base"):
                    await asyncio.sleep(0.02)
            only.say = whole
            assert (await route(process.url))["pool"] == "base"


async def test_requests_wait_for_a_pool_that_wakes(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    asleep = pool("gpu", f"http://127.0.0.1:{port}", model=MODEL)
    resilience = {"wake_hold": 2, "wake_s": 30, "wake_probe_s": 0.05}
    server_settings = {"stream_keep_alive_s": 0.1}
    async with front(tmp_path, asleep, resilience=resilience, server=server_settings) as process:
        first, second = asyncio.create_task(asked(process.url)), asyncio.create_task(streamed(process.url))
        async with asyncio.timeout(10):
            while await metric(process.url, "tandem_pool_held", pool="gpu") < 2:
                await asyncio.sleep(0.02)
        assert await metric(process.url, "tandem_generation_demand", pool="gpu") == 2
        status, body, retry_after = await asked(process.url)
        assert (status, body["error"]["stage"]) == (503, "waking")
        assert retry_after is not None
        async with aiohttp.ClientSession() as http, http.get(f"{process.url}/v1/models") as reply:
            assert [model["id"] for model in (await reply.json())["data"]] == ["m", "tandem"]
        await asyncio.sleep(0.2)
        async with Server().listening(port) as server:
            (status, _, _), stream = await asyncio.gather(first, second)
            assert status == 200
            assert stream.startswith(": waiting\n\n"), "who waits is kept alive"
            assert stream.endswith("data: [DONE]\n\n")
            assert server.asked == 2
        assert await metric(process.url, "tandem_generation_demand", pool="gpu") == 0


@pytest.mark.parametrize(
    "fault", [answering(429, b"{}", "retry-after: 1\r\n"), answering(500, b"{}"), streaming(then="reset")]
)
async def test_a_storm_is_not_answered_with_twice_the_load(tmp_path: Path, fault: Say) -> None:
    async with Server().listening() as only:
        only.say = fault
        async with front(tmp_path, pool("base", only.upstream.url), resilience={"breaker_failures": 1000}) as process:
            answers = await asyncio.gather(*(asked(process.url) for _ in range(60)))
            assert {status for status, _, _ in answers} <= {429, 502, 503}
            # A tenth, and the one that a lone request may have.
            assert only.asked <= 60 * 1.1 + 1
            assert await idle(process.url, "base")
            only.say = whole
            assert (await route(process.url))["pool"] == "base"
