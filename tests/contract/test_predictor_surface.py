"""What the predictor does around generations: the key, health, limits of bodies, refusals, metrics."""

import io
from typing import Any

import pytest

from fakes.predictor import JSON, predictor
from tandem.adapters.scripted.engine import ScriptedEngine
from tandem.domain.errors import ContextTooLong, UpstreamFailed

PIECES = ("one", " two", " three")
HI = [{"role": "user", "content": "Hi"}]
POSTS = ["/", "/generate", "/generate_stream", "/v1/chat/completions", "/v1/completions", "/tokenize", "/chat_tokenize"]
GETS = ["/", "/health", "/ping", "/info", "/metrics", "/v1/models", "/livez", "/readyz", "/startupz", "/version"]


@pytest.mark.parametrize("path", POSTS)
async def test_work_needs_the_key(path: str) -> None:
    async with predictor(ScriptedEngine(PIECES), api_key="sekret") as ours:
        for wrong in (
            {},
            {"authorization": "sekret"},
            {"authorization": "Bearer x"},
            {"authorization": "Bearer SEKRET"},
        ):
            reply = await ours.post(path, {}, {**JSON, **wrong})
            assert (reply.status, reply.body) == (401, b"")
        assert (await ours.post(path, {}, {**JSON, "authorization": "bearer sekret"})).status == 422


async def test_a_key_is_its_bytes() -> None:
    async with predictor(ScriptedEngine(PIECES), api_key="schlüssel") as ours:
        key = {"authorization": "Bearer schlüssel"}
        assert (await ours.post("/tokenize", {"inputs": "Hi"}, {**JSON, **key})).status == 200


@pytest.mark.parametrize("path", GETS)
async def test_what_is_told_needs_none(path: str) -> None:
    async with predictor(ScriptedEngine(PIECES), api_key="sekret") as ours:
        assert (await ours.get(path)).status == 200


async def test_health_before_and_after_service() -> None:
    async with predictor(ScriptedEngine(PIECES), ready=False) as ours:
        starting = await ours.get("/health")
        assert (starting.status, starting.body) == (503, b'{"error":"unhealthy","error_type":"healthcheck"}')
        assert (await ours.get("/startupz")).status == 503
        ours.lifecycle.ready()
        assert (await ours.get("/health")).status == 200
        ours.lifecycle.drain()
        assert (await ours.get("/health")).status == 503
        assert (await ours.get("/livez")).status == 200
        assert (await ours.post("/generate", {"inputs": "Hi"})).status == 200


async def test_a_failed_generation_puts_health_in_doubt_until_the_model_answers() -> None:
    engine = ScriptedEngine(PIECES, error=UpstreamFailed("gone"))
    async with predictor(engine) as ours:
        assert (await ours.get("/health")).status == 200
        assert (await ours.post("/generate", {"inputs": "Hi"})).status == 424
        assert (await ours.get("/health")).status == 503
        engine.error = None
        assert (await ours.get("/health")).status == 200
        asked = len(engine.asked)
        assert (await ours.get("/health")).status == 200
        assert len(engine.asked) == asked


async def test_bodies_over_two_million_bytes_are_refused() -> None:
    async with predictor(ScriptedEngine(PIECES)) as ours:
        body = io.BytesIO(b'{"inputs":"' + b"x" * 2_000_000 + b'"}')
        async with ours.session.post(f"{ours.url}/generate", data=body, headers=JSON) as announced:
            assert (announced.status, announced.content_type) == (413, "text/plain")

        async def pieces() -> Any:
            for _ in range(3):
                yield b" " * 1_000_000

        async with ours.session.post(f"{ours.url}/generate", data=pieces(), headers=JSON) as chunked:
            assert chunked.status == 413


NOT_TO_BE_HAD = [
    ("/generate", {"inputs": "Hi", "parameters": {name: value}}, name)
    for name, value in {
        "adapter_id": "lora",
        "best_of": 2,
        "decoder_input_details": True,
        "frequency_penalty": 0.5,
        "grammar": {"type": "regex", "value": "a+"},
        "repetition_penalty": 1.1,
        "top_k": 10,
        "top_n_tokens": 2,
        "typical_p": 0.9,
        "watermark": True,
    }.items()
] + [
    ("/v1/chat/completions", {"messages": HI, name: value}, name)
    for name, value in {
        "frequency_penalty": 0.5,
        "guideline": "be nice",
        "logit_bias": {"5": 1},
        "logprobs": True,
        "n": 2,
        "presence_penalty": 0.5,
        "response_format": {"type": "json_object"},
        "tool_choice": "required",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "top_logprobs": 2,
    }.items()
]


@pytest.mark.parametrize(("path", "body", "name"), NOT_TO_BE_HAD, ids=[f"{row[0]}:{row[2]}" for row in NOT_TO_BE_HAD])
async def test_what_the_engine_cannot_do_is_refused(path: str, body: dict[str, Any], name: str) -> None:
    engine = ScriptedEngine(PIECES)
    async with predictor(engine) as ours:
        reply = await ours.post(path, body)
    assert (reply.status, reply.json["error_type"]) == (422, "validation")
    assert name in reply.json["error"]
    assert engine.asked == []


NEUTRAL = {
    "best_of": 1,
    "decoder_input_details": False,
    "do_sample": False,
    "frequency_penalty": 0,
    "grammar": None,
    "repetition_penalty": 1.0,
    "stop": None,
    "top_n_tokens": 0,
    "watermark": False,
    "unknown": 1,
}


async def test_saying_that_nothing_special_is_wanted_is_fine() -> None:
    engine = ScriptedEngine(PIECES)
    async with predictor(engine) as ours:
        assert (await ours.post("/generate", {"inputs": "Hi", "parameters": NEUTRAL})).status == 200
        ask = {"messages": HI, "top_p": 1, "n": 1, "logprobs": False, "tools": [], "response_format": {"type": "text"}}
        assert (await ours.post("/v1/chat/completions", {**ask, "tool_choice": "auto"})).status == 200


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "cannot be empty"),
        ([{"role": "tool", "content": "42"}], "role `tool`"),
        ([{"role": "assistant", "content": None, "tool_calls": [{}]}], "tool calls"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}], "`image_url`"),
    ],
)
async def test_messages_that_are_no_text_are_refused(messages: list[Any], told: str) -> None:
    async with predictor(ScriptedEngine(PIECES)) as ours:
        reply = await ours.post("/v1/chat/completions", {"messages": messages, "stream": True})
    assert reply.status == 422
    assert told in reply.json["error"]


async def test_what_the_engine_refuses_is_a_validation_error() -> None:
    async with predictor(ScriptedEngine(PIECES, error=ContextTooLong("It does not fit."))) as ours:
        reply = await ours.post("/generate", {"inputs": "Hi"})
    assert (reply.status, reply.json["error"]) == (422, "Input validation error: It does not fit.")


async def test_truncation_keeps_the_end() -> None:
    engine = ScriptedEngine(PIECES)
    ask = {"inputs": "What is the time?", "parameters": {"truncate": 2, "return_full_text": True, "max_new_tokens": 1}}
    async with predictor(engine) as ours:
        reply = await ours.post("/generate", ask)
    assert engine.asked == [" the time?"]
    assert reply.json == {"generated_text": "What is the time?one"}
    assert reply.header("x-prompt-tokens") == "2"


async def test_requests_are_counted() -> None:
    async with predictor(ScriptedEngine(PIECES)) as ours:
        await ours.post("/generate", {"inputs": "a b"})
        await ours.post("/generate_stream", {"inputs": "a b c"})
        await ours.post("/v1/chat/completions", {"messages": HI, "model": "other"})
        text = (await ours.get("/metrics")).body.decode()
        for line, value in {
            "tgi_request_count": 3,
            "tgi_request_success": 2,
            'tgi_request_failure{err="validation"}': 1,
            "tgi_request_duration_count": 2,
            "tgi_request_input_length_sum": 5,
            "tgi_request_generated_tokens_sum": 6,
            'tandem_requests_total{route="/generate"}': 1,
        }.items():
            assert await ours.metric(line) == value, line
    assert "# TYPE tgi_request_count counter\n" in text
    for name in ("validation", "queue", "inference", "mean_time_per_token"):
        assert f"# TYPE tgi_request_{name}_duration histogram\n" in text
