"""Questions over real sockets: OpenAI's own client, streams, errors, and clients that leave."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import aiohttp
import openai
import pytest

from fakes.answers import ANSWERED, FOUND, OneModel, ScriptedAnswers
from fakes.api import Api
from fakes.live import live
from tandem.domain.errors import (
    ContextTooLong,
    DocumentRejected,
    Overloaded,
    StoreBusy,
    TandemError,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import Token

QUESTION: list[Any] = [{"role": "user", "content": "When does it open?"}]
TEXT = "At seven “h” 🚢 [1]."


def body(**more: Any) -> dict[str, Any]:
    return {"model": "tandem", "messages": QUESTION, **more}


def client(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=10)


def events(text: str) -> list[Any]:
    data = [block.removeprefix("data: ") for block in text.split("\n\n") if block.startswith("data: ")]
    return [json.loads(line) if line != "[DONE]" else line for line in data]


async def test_openai_client_gets_a_whole_answer() -> None:
    api = Api()
    async with live(api.app) as url, client(url) as stock:
        answer = await stock.chat.completions.create(
            model="tandem", messages=QUESTION, max_tokens=50, extra_body={"tandem": {"top_k": 3, "collection": "notes"}}
        )
        names = [model.id async for model in stock.models.list()]
        assert (await stock.models.retrieve("tandem")).id == "tandem"
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "scripted-1"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 16
    told = answer.model_extra["tandem"]  # type: ignore[index]
    assert told["outcome"] == "answered"
    assert told["engine"] == "scripted"
    assert told["prompt"] == "answer@1"
    [cited] = told["citations"]
    assert cited["quote"] == cited["text"][cited["start"] : cited["end"]] == "The harbour opens at seven."
    assert cited["chunk_id"] == "guide/harbour.md#3"
    assert cited["number"] == 1
    assert told["explain"]["queries"] == ["When does it open?"]
    assert names == ["scripted-1", "tandem"]
    [(question, context)] = api.answers.asked
    assert (question.retrieval.top_k, question.retrieval.collection, question.sampling.max_tokens) == (3, "notes", 50)
    assert context.tenant == "default"
    assert context.deadline_s is not None


@pytest.mark.parametrize("usage", [True, False])
async def test_openai_client_streams(usage: bool) -> None:
    async with live(Api().app) as url, client(url) as stock:
        options: Any = {"stream_options": {"include_usage": True}} if usage else {}
        stream: Any = await stock.chat.completions.create(model="scripted-1", messages=QUESTION, stream=True, **options)
        chunks = [chunk async for chunk in stream]
    pieces = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(pieces) == TEXT
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    ending = chunks[-2] if usage else chunks[-1]
    assert ending.choices[0].finish_reason == "stop"
    assert ending.choices[0].delta.content is None
    assert ending.model_extra["tandem"]["citations"][0]["number"] == 1
    if usage:
        assert chunks[-1].choices == []
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.prompt_tokens == 12


async def test_the_stream_s_bytes() -> None:
    async with live(Api().app) as url, aiohttp.ClientSession(url) as http:
        async with http.post("/v1/chat/completions", json=body(stream=True)) as reply:
            text = await reply.text()
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reply.headers["x-accel-buffering"] == "no"
        assert reply.headers["x-content-type-options"] == "nosniff"
    assert text.endswith("data: [DONE]\n\n")
    found = events(text)
    assert all("usage" not in event for event in found[:-1])
    assert [c["delta"] for e in found[:2] for c in e["choices"]] == [
        {"role": "assistant", "content": ""},
        {"content": "At "},
    ]


FAILURES = [
    (Overloaded("full", retry_after_s=2.4), 429, "3"),
    (UpstreamUnavailable("away"), 503, "2"),
    (StoreBusy("held"), 503, "5"),
    (UpstreamFailed("broke"), 502, None),
    (ContextTooLong("long", param="messages"), 400, None),
    (DocumentRejected("bad", reason="damaged"), 422, None),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("error", "status", "retry_after"), FAILURES)
async def test_failures_before_the_first_token_have_a_status(
    error: TandemError, status: int, retry_after: str | None, stream: bool
) -> None:
    api = Api(answers=ScriptedAnswers([FOUND, error]))
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=body(stream=stream)) as reply,
    ):
        answer = await reply.json()
    assert reply.status == status
    assert reply.headers.get("retry-after") == retry_after
    assert answer["error"]["code"] == error.code
    assert answer["error"]["message"] == error.message


async def test_openai_client_raises_its_own_errors() -> None:
    api = Api(answers=ScriptedAnswers([Overloaded("full")]))
    async with live(api.app) as url, client(url) as stock:
        with pytest.raises(openai.RateLimitError) as limited:
            await stock.chat.completions.create(model="tandem", messages=QUESTION, stream=True)
        assert limited.value.code == "overloaded"
        with pytest.raises(openai.NotFoundError) as unknown:
            await stock.chat.completions.create(model="gpt-7", messages=QUESTION)
        assert unknown.value.code == "model_not_found"
        assert unknown.value.param == "model"


@pytest.mark.parametrize(
    ("script", "code"),
    [([FOUND, Token("At "), UpstreamFailed("broke")], "upstream_failed"), ([FOUND, Token("At ")], "upstream_failed")],
)
async def test_a_stream_that_breaks_off_says_so(script: list[Any], code: str) -> None:
    api = Api(answers=ScriptedAnswers(script))
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=body(stream=True)) as reply,
    ):
        text = await reply.text()
    assert reply.status == 200
    assert "[DONE]" not in text
    assert events(text)[-1]["error"]["code"] == code
    assert _sample(api, "tandem_responses_total", route="/v1/chat/completions", status="502") == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_an_unforeseen_fault_is_a_500_without_details(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    api = Api(answers=ScriptedAnswers([FOUND, RuntimeError("the secret path")]))
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=body(stream=stream), headers={"x-request-id": "r-1"}) as reply,
    ):
        text = await reply.text()
    assert (reply.status, json.loads(text)["error"]["code"]) == (500, "internal_error")
    assert "secret" not in text
    assert any(getattr(record, "request_id", None) == "r-1" and record.exc_info for record in caplog.records)


async def test_an_unforeseen_fault_in_a_stream_is_told_and_breaks_off() -> None:
    api = Api(answers=ScriptedAnswers([FOUND, Token("At "), RuntimeError("the secret path")]))
    received = b""
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=body(stream=True)) as reply,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):  # noqa: PT012 - reading on is what fails
            while True:
                received += await reply.content.readany()
    assert events(received.decode())[-1]["error"]["code"] == "internal_error"
    assert b"secret" not in received
    assert b"[DONE]" not in received
    assert _sample(api, "tandem_responses_total", route="/v1/chat/completions", status="500") == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("stage", ["before anything", "before the first token", "between tokens"])
async def test_a_client_that_leaves_cancels_the_answer(stream: bool, stage: str) -> None:
    never = asyncio.Event()
    before: dict[str, list[Any]] = {
        "before anything": [],
        "before the first token": [FOUND],
        "between tokens": [FOUND, Token("At ")],
    }
    answers = ScriptedAnswers([*before[stage], never, ANSWERED])
    api = Api(answers=answers)
    async with live(api.app) as url, aiohttp.ClientSession(url) as http:
        asking = asyncio.create_task(_post(http, stream))
        await answers.entered.wait()
        while answers.given < len(before[stage]):
            await asyncio.sleep(0.005)
        asking.cancel()
        async with asyncio.timeout(5):
            await answers.left.wait()
            while _sample(api, "tandem_requests_in_flight") != 0:
                await asyncio.sleep(0.005)
    assert answers.cancelled
    assert _sample(api, "tandem_responses_total", route="/v1/chat/completions", status="499") == 1


async def _post(http: aiohttp.ClientSession, stream: bool) -> None:
    async with http.post("/v1/chat/completions", json=body(stream=stream)) as reply:
        await reply.read()


async def test_a_slow_reader_slows_the_model() -> None:
    pieces = [Token("x" * 10_000)] * 5_000
    answers = ScriptedAnswers([FOUND, *pieces, ANSWERED])
    async with live(Api(answers=answers).app) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        raw = json.dumps(body(stream=True)).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        writer.write(head.encode() + raw)
        await reader.read(100)
        seen = -1
        while seen != answers.given:
            seen = answers.given
            await asyncio.sleep(0.2)
        # Far less than 50 MB fits the sockets' buffers, so most of it was never asked of the model.
        assert answers.given < len(pieces) // 2
        writer.close()
        async with asyncio.timeout(5):
            await answers.left.wait()


async def test_a_long_wait_is_kept_alive_and_then_fails_as_an_event() -> None:
    go = asyncio.Event()
    api = Api(answers=ScriptedAnswers([FOUND, go, UpstreamUnavailable("gone")]), keep_alive_s=0.02)
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=body(stream=True)) as reply,
    ):
        assert (await reply.content.readuntil(b"\n\n")) == b": waiting\n\n"
        go.set()
        rest = (await reply.read()).decode()
    assert events(rest)[-1]["error"]["code"] == "upstream_unavailable"
    assert "[DONE]" not in rest


@pytest.mark.parametrize("stream", [True, False])
async def test_the_deadline_ends_an_answer_that_does_not_come(stream: bool) -> None:
    answers = ScriptedAnswers([FOUND, asyncio.Event()])
    async with live(Api(answers=answers).app) as url, aiohttp.ClientSession(url) as http:
        timeout = {"x-request-timeout-ms": "50"}
        async with http.post("/v1/chat/completions", json=body(stream=stream), headers=timeout) as reply:
            answer = await reply.json()
    assert (reply.status, answer["error"]["code"], answer["error"]["stage"]) == (504, "deadline_exceeded", "answering")
    assert answers.cancelled


async def test_an_abstention_streams_like_any_answer() -> None:
    ending = replace(ANSWERED, outcome="abstained", citations=())
    async with live(Api(answers=ScriptedAnswers([FOUND, ending])).app) as url, client(url) as stock:
        stream: Any = await stock.chat.completions.create(model="tandem", messages=QUESTION, stream=True)
        chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].model_extra["tandem"]["outcome"] == "abstained"


async def test_a_model_that_is_away_is_a_503() -> None:
    api = Api(model=OneModel(UpstreamUnavailable("The predictor is away.")))
    async with live(api.app) as url, aiohttp.ClientSession(url) as http:
        async with http.get("/v1/models") as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (503, "upstream_unavailable")
        async with http.post("/v1/chat/completions", json=body()) as reply:
            assert reply.status == 200


def _sample(api: Api, name: str, **labels: str) -> float | None:
    return api.metrics.registry.get_sample_value(name, labels)
