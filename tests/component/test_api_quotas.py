"""What a limited tenant sees over HTTP: the headers, the refusals, and that refusing costs nothing."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from fakes.answers import FOUND, ScriptedAnswers
from fakes.api import Api
from fakes.live import live
from tandem.admission.keys import Key
from tandem.domain.errors import Overloaded
from tandem.domain.tenants import Tenant, Tenants
from tandem.http.middleware.limited import WORK
from tandem.http.middleware.shedding import Refusal

ASK = {"model": "tandem", "messages": [{"role": "user", "content": "When?"}]}


def key(tenant: str) -> Key:
    return Key(tenant, hashlib.sha256(tenant.encode()).hexdigest(), tenant)


def limited(*, refusal: Refusal | None = None, **limits: Any) -> Api:
    tenants = Tenants({"acme": Tenant("acme", **limits)})
    return Api(keys=[key("acme"), key("free")], tenants=tenants, refusal=refusal)


class Client:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(
        self, method: str, path: str, tenant: str = "acme", **sent: Any
    ) -> tuple[int, Mapping[str, str], Any]:
        headers = {"authorization": f"Bearer {tenant}"}
        async with self._session.request(method, self._url + path, headers=headers, **sent) as reply:
            content = await reply.text()
            return reply.status, reply.headers, content

    async def ask(self, tenant: str = "acme", **body: Any) -> tuple[int, Mapping[str, str], Any]:
        return await self.send("POST", "/v1/chat/completions", tenant, json={**ASK, **body})


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[Client]:
    async with live(api.app) as url, aiohttp.ClientSession() as session:
        yield Client(session, url)


def rate(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-ratelimit")}


async def test_every_answer_tells_what_is_left() -> None:
    async with serving(limited(requests_per_minute=3, tokens_per_minute=600)) as client:
        for stream, left in ((False, "2"), (True, "1")):
            status, headers, _ = await client.ask(stream=stream)
            assert status == 200
            told = rate(headers)
            resets = {told.pop("x-ratelimit-reset-requests")}
            assert told == {
                "x-ratelimit-limit-requests": "3",
                "x-ratelimit-remaining-requests": left,
                "x-ratelimit-limit-tokens": "600",
                "x-ratelimit-remaining-tokens": "600",
                "x-ratelimit-reset-tokens": "0s",
            }
            assert all(reset.endswith("s") for reset in resets)
        status, headers, _ = await client.send("POST", "/v1/retrieve", json={"nonsense": 1})
        assert (status, rate(headers)["x-ratelimit-remaining-requests"]) == (400, "0")
        status, headers, text = await client.ask()
        assert (status, rate(headers)["x-ratelimit-remaining-requests"]) == (429, "0")
        assert 1 <= int(headers["retry-after"]) <= 20
        assert '"type":"rate_limit_error","code":"rate_limit_exceeded"' in text


async def test_a_refused_request_s_body_is_not_read() -> None:
    answers = ScriptedAnswers()
    api = Api(answers=answers, keys=[key("acme")], tenants=Tenants({"acme": Tenant("acme", requests_per_minute=1)}))
    async with serving(api) as client:
        assert (await client.ask())[0] == 200
        for body in (b"{", b"x" * 900_000):
            status, _, _ = await client.send("POST", "/v1/chat/completions", data=body)
            assert status == 429
    assert len(answers.asked) == 1


async def test_looking_something_up_does_not_count() -> None:
    async with serving(limited(requests_per_minute=1)) as client:
        for path in ("/v1/models", "/v1/documents", "/v1/collections", "/v1/nothing"):
            _, headers, _ = await client.send("GET", path)
            assert rate(headers) == {}
        assert (await client.ask())[0] == 200


async def test_what_was_not_let_in_does_not_count() -> None:
    async with serving(limited(requests_per_minute=1)) as client:
        for _ in range(3):
            assert (await client.ask("stranger"))[0] == 401
        assert (await client.ask())[0] == 200


async def test_writing_documents_counts() -> None:
    async with serving(limited(requests_per_minute=3)) as client:
        text = {"documents": [{"id": "a", "text": "A harbour."}]}
        lefts = []
        for method, path, sent in (
            ("PUT", "/v1/documents/a.md", {"data": b"# A"}),
            ("PUT", "/v1/documents", {"json": text}),
            ("DELETE", "/v1/documents/a.md", {}),
        ):
            status, headers, _ = await client.send(method, path, **sent)
            assert status < 300
            lefts.append(rate(headers)["x-ratelimit-remaining-requests"])
        assert lefts == ["2", "1", "0"]
        assert (await client.send("DELETE", "/v1/documents/a.md"))[0] == 429


async def test_others_are_not_held_up_and_pay_nothing() -> None:
    async with serving(limited(requests_per_minute=1)) as client:
        assert [(await client.ask())[0] for _ in range(2)] == [200, 429]
        for _ in range(5):
            status, headers, _ = await client.ask("free")
            assert (status, rate(headers)) == (200, {})


@pytest.mark.parametrize("stream", [False, True])
async def test_a_slot_is_held_for_as_long_as_the_answer_takes(stream: bool) -> None:
    gate = asyncio.Event()
    answers = ScriptedAnswers([FOUND, gate, *ScriptedAnswers().steps[1:]])
    api = Api(answers=answers, keys=[key("acme")], tenants=Tenants({"acme": Tenant("acme", concurrency=1)}))
    async with serving(api) as client:
        first = asyncio.create_task(client.ask(stream=stream))
        await answers.entered.wait()
        status, headers, text = await client.ask()
        assert (status, "same time" in text, rate(headers)) == (429, True, {})
        assert int(headers["retry-after"]) >= 1
        gate.set()
        assert (await first)[0] == 200
        assert (await client.ask())[0] == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_who_asks_one_after_the_other_always_finds_the_slot_free(stream: bool) -> None:
    async with serving(Api(keys=[key("acme")], tenants=Tenants({"acme": Tenant("acme", concurrency=1)}))) as client:
        assert [(await client.ask(stream=stream))[0] for _ in range(30)] == [200] * 30


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_frees_its_slot(stream: bool) -> None:
    answers = ScriptedAnswers([FOUND, asyncio.Event()])
    api = Api(answers=answers, keys=[key("acme")], tenants=Tenants({"acme": Tenant("acme", concurrency=1)}))
    async with serving(api) as client:
        leaving = asyncio.create_task(client.ask(stream=stream))
        await answers.entered.wait()
        leaving.cancel()
        await answers.left.wait()
        answers.steps = ScriptedAnswers().steps
        async with asyncio.timeout(5):
            while (await client.ask())[0] != 200:
                await asyncio.sleep(0.01)


def test_what_counts_is_a_route_that_there_is() -> None:
    paths = Api().described()["paths"]
    for method, path in WORK:
        assert method.lower() in paths[path.replace(":path", "")]


async def test_refusals_are_counted() -> None:
    api = limited(requests_per_minute=1)
    async with serving(api) as client:
        for _ in range(3):
            await client.ask()
    sample = api.metrics.registry.get_sample_value
    assert sample("tandem_quota_refusals_total", {"quota": "requests"}) == 2
    assert sample("tandem_quota_store_up") == 1


async def test_an_overload_takes_nothing_of_the_tenants_quota() -> None:
    full = [Overloaded("All is full.")] * 5
    async with serving(limited(requests_per_minute=2, refusal=lambda _: full.pop() if full else None)) as client:
        for _ in range(5):
            status, headers, content = await client.ask()
            assert (status, "overloaded" in content, rate(headers)) == (429, True, {})
        status, headers, _ = await client.ask()
        assert (status, headers["x-ratelimit-remaining-requests"]) == (200, "1")


async def test_texts_to_embed_count_as_tokens() -> None:
    async with serving(limited(tokens_per_minute=10)) as client:
        body = {"model": "tandem", "input": ["green tea", "black coffee, hot"]}
        status, headers, _ = await client.send("POST", "/v1/embeddings", json=body)
        assert (status, rate(headers)["x-ratelimit-remaining-tokens"]) == (200, "4")
        status, headers, text = await client.send("POST", "/v1/embeddings", json=body)
        assert (status, '"code":"rate_limit_exceeded"' in text) == (429, True)
        assert int(headers["retry-after"]) >= 1
        status, _, text = await client.send("POST", "/v1/embeddings", json={"model": "tandem", "input": "tea " * 50})
        assert (status, '"param":"input"' in text) == (400, True)
        assert (await client.send("POST", "/v1/embeddings", "free", json=body))[0] == 200
