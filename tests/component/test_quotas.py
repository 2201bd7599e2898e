"""Two gateways that share one Redis: a tenant's limits hold over both, and survive the loss of either."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from component.deployments import Process, start, stop
from fakes.redis_server import RedisServer, redis_server
from fakes.upstream import Call, upstream

pytestmark = pytest.mark.component

MODEL = "steady"
TENANTS = {
    "requests": {"requests_per_minute": 6},
    "tokens": {"tokens_per_minute": 1000},
    "slots": {"concurrency": 2},
    "hourless": {"requests_per_minute": 1},
}


class Predictor:
    """Says two words and what they cost; while `hold` is set it says the first one only."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.held = 0
        self.usage = {"prompt_tokens": 40, "completion_tokens": 60, "total_tokens": 100}

    async def say(self, call: Call) -> None:
        if call.line.startswith("GET"):
            models = [{"id": MODEL, "object": "model", "created": 0, "owned_by": "x"}]
            await call.answer(
                200, orjson.dumps({"object": "list", "data": models}), "content-type: application/json\r\n"
            )
            return
        await call.begin()
        await call.part(_event({"content": "one "}))
        self.held += 1
        waiting = [asyncio.create_task(event.wait()) for event in (self.go, call.left)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        self.held -= 1
        if call.left.is_set():
            return
        await call.part(_event({"content": "two"}) + _event({}, "stop"))
        await call.part(_event(None, usage=self.usage) + b"data: [DONE]\n\n")
        await call.end()


def _event(delta: dict[str, str] | None, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "s", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": choices}
    return b"data: " + orjson.dumps(body | ({"usage": usage} if usage else {})) + b"\n\n"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@contextmanager
def gateways(
    folder: Path, names: tuple[str, ...], predictor_url: str, redis_url: str, **env: str
) -> Iterator[list[Process]]:
    keys = [{"name": name, "sha256": _hash(name), "tenant": name} for name in [*TENANTS, "free"]]
    shared = {
        "TANDEM_PREDICTOR__URL": predictor_url,
        "TANDEM_PREDICTOR__PROTOCOL": "openai",
        "TANDEM_PREDICTOR__MODEL": MODEL,
        "TANDEM_RETRIEVER__URL": "http://127.0.0.1:9",
        "TANDEM_RETRIEVAL__ENABLED": "false",
        "TANDEM_AUTH__MODE": "keys",
        "TANDEM_AUTH__KEYS": json.dumps(keys),
        "TANDEM_TENANTS": json.dumps(TENANTS),
        "TANDEM_QUOTAS__STORE_URL": redis_url,
        # A busy machine may take longer than the default; what is tested is not how long that is.
        "TANDEM_QUOTAS__TIMEOUT_S": "1",
        "TANDEM_QUOTAS__CONNECT_TIMEOUT_S": "1",
        "TANDEM_QUOTAS__LEASE_S": "2",
        **env,
    }
    with ExitStack() as running:
        started = []
        for name in names:
            process = start("gateway", folder / name, shared)
            running.callback(stop, process)
            started.append(process)
        yield started


class Reply:
    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def code(self) -> str | None:
        return None if self.status == 200 else str(json.loads(self.text)["error"]["code"])


class House:
    """Redis, a predictor, and gateways before them."""

    def __init__(
        self, redis: RedisServer, predictor: Predictor, processes: list[Process], session: aiohttp.ClientSession
    ) -> None:
        self.redis = redis
        self.predictor = predictor
        self.processes = processes
        self.one, self.two = processes[0].url, processes[-1].url
        self.session = session

    async def ask(self, url: str, tenant: str, **body: Any) -> Reply:
        asked = {"model": "tandem", "messages": [{"role": "user", "content": "When?"}], "max_tokens": 300, **body}
        headers = {"authorization": f"Bearer {tenant}"}
        async with self.session.post(f"{url}/v1/chat/completions", json=asked, headers=headers) as reply:
            return Reply(reply.status, reply.headers, await reply.text())

    async def reached(self, count: int) -> None:
        """So many requests are being held by the predictor."""
        async with asyncio.timeout(20):
            while self.predictor.held != count:
                await asyncio.sleep(0.02)

    async def metric(self, url: str, name: str) -> float:
        async with self.session.get(f"{url}/metrics") as reply:
            lines = (await reply.text()).splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")))

    async def until(self, url: str, name: str, value: float) -> None:
        async with asyncio.timeout(20):
            while await self.metric(url, name) != value:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def house(folder: Path, *names: str, **env: str) -> AsyncIterator[House]:
    predictor = Predictor()
    with redis_server(folder / "redis") as redis:
        async with upstream(predictor.say) as model, aiohttp.ClientSession() as session:
            # Starting processes blocks: the predictor must go on answering meanwhile.
            running = gateways(folder, names, model.url, redis.url, **env)
            processes = await asyncio.to_thread(running.__enter__)
            try:
                yield House(redis, predictor, processes, session)
            finally:
                predictor.go.set()
                await asyncio.to_thread(running.__exit__, None, None, None)


async def test_limits_hold_over_both_and_survive_the_loss_of_either(tmp_path: Path) -> None:
    async with house(tmp_path, "one", "two") as both:
        await requests_are_counted_together(both)
        await tokens_are_counted_together(both)
        await slots_are_counted_together(both)
        await the_store_is_lost_and_comes_back(both)
        await slots_of_a_killed_gateway_come_back(both)


async def requests_are_counted_together(both: House) -> None:
    began = time.monotonic()
    replies = await asyncio.gather(
        *(both.ask(url, "requests", stream=stream) for url in (both.one, both.two) for stream in (False, True) * 4)
    )
    refilled = int((time.monotonic() - began) / 10) + 1
    passed = [reply for reply in replies if reply.status == 200]
    assert 6 <= len(passed) <= 6 + refilled
    refused = [reply for reply in replies if reply.status != 200]
    assert {(reply.status, reply.code) for reply in refused} == {(429, "rate_limit_exceeded")}
    assert all(reply.headers["x-ratelimit-limit-requests"] == "6" for reply in replies)
    assert all(reply.headers["x-ratelimit-remaining-requests"] == "0" for reply in refused)
    assert all(1 <= int(reply.headers["retry-after"]) <= 10 for reply in refused)
    assert max(int(reply.headers["x-ratelimit-remaining-requests"]) for reply in passed) == 5


async def tokens_are_counted_together(both: House) -> None:
    """An answer takes 100 of 1000; a stream's headers may leave while some 300 are reserved."""
    began = time.monotonic()

    def left(reply: Reply, taken: int, slack: int = 0) -> None:
        refilled = (time.monotonic() - began) * 1000 / 60
        remaining = int(reply.headers["x-ratelimit-remaining-tokens"])
        assert 1000 - taken - slack <= remaining <= 1000 - taken + refilled + 1

    for asked, url in enumerate((both.one, both.two, both.one, both.two), start=1):
        reply = await both.ask(url, "tokens")
        assert reply.status == 200
        left(reply, asked * 100)
    left(await both.ask(both.one, "tokens", stream=True), 400 + 100, slack=220)
    both.predictor.go.clear()
    leaving = asyncio.create_task(both.ask(both.one, "tokens", stream=True, max_tokens=400))
    await both.reached(1)
    refused = await both.ask(both.two, "tokens", max_tokens=900)
    assert (refused.status, refused.code) == (429, "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) >= 1
    too_much = await both.ask(both.two, "tokens", max_tokens=2000)
    assert (too_much.status, too_much.code) == (400, "invalid_request")
    # Who leaves pays for what was said, not for what was reserved.
    leaving.cancel()
    await both.reached(0)
    both.predictor.go.set()
    async with asyncio.timeout(20):
        while (after := await both.ask(both.two, "tokens", max_tokens=350)).status != 200:
            await asyncio.sleep(0.1)
    left(after, 600, slack=50)


async def slots_are_counted_together(both: House) -> None:
    both.predictor.go.clear()
    running = [asyncio.create_task(both.ask(url, "slots", stream=True)) for url in (both.one, both.two)]
    await both.reached(2)
    for url in (both.one, both.two):
        refused = await both.ask(url, "slots")
        assert (refused.status, refused.code) == (429, "rate_limit_exceeded")
    # Longer than a lease: what still runs keeps its slot.
    await asyncio.sleep(2.5)
    assert (await both.ask(both.one, "slots")).status == 429
    both.predictor.go.set()
    assert [(await reply).status for reply in running] == [200, 200]
    assert [(await both.ask(url, "slots")).status for url in (both.one, both.two) * 5] == [200] * 10


async def the_store_is_lost_and_comes_back(both: House) -> None:
    both.redis.kill()
    for url in (both.one, both.two):
        replies = [await both.ask(url, "slots") for _ in range(4)]
        assert {(reply.status, reply.code) for reply in replies} == {(503, "upstream_unavailable")}
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in replies)
        assert (await both.ask(url, "free")).status == 200
        await both.until(url, "tandem_quota_store_up", 0)
        assert await both.metric(url, "tandem_quota_decisions_without_store_total") >= 4
    both.redis.start()
    for url in (both.one, both.two):
        await both.until(url, "tandem_quota_store_up", 1)
        assert (await both.ask(url, "slots")).status == 200


async def slots_of_a_killed_gateway_come_back(both: House) -> None:
    both.predictor.go.clear()
    running = [asyncio.create_task(both.ask(both.one, "slots", stream=True)) for _ in range(2)]
    await both.reached(2)
    assert (await both.ask(both.two, "slots")).status == 429
    both.processes[0].popen.kill()
    await both.reached(0)
    await asyncio.gather(*running, return_exceptions=True)
    both.predictor.go.set()
    async with asyncio.timeout(15):
        while (await both.ask(both.two, "slots")).status != 200:
            await asyncio.sleep(0.2)


async def test_without_the_store_a_gateway_gives_away_its_share(tmp_path: Path) -> None:
    shared = {"TANDEM_QUOTAS__ON_STORE_LOSS": "local", "TANDEM_QUOTAS__LOCAL_SHARE": "0.5"}
    async with house(tmp_path, "alone", **shared) as one:
        one.redis.kill()
        replies = [await one.ask(one.one, "requests") for _ in range(5)]
        assert [reply.status for reply in replies] == [200] * 3 + [429] * 2
        assert replies[0].headers["x-ratelimit-limit-requests"] == "3"
        one.redis.start()
        await one.until(one.one, "tandem_quota_store_up", 1)
        reply = await one.ask(one.one, "requests")
        assert (reply.status, reply.headers["x-ratelimit-limit-requests"]) == (200, "6")
