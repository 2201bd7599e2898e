"""Both predictor clients against servers that answer well, badly, late, or not to the end."""

import asyncio
import socket
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import orjson
import pytest

from fakes.faults import answering, never_answers, no_http, streaming
from fakes.upstream import DONE, USAGE, WHOLE, Call, Say, event, piece, upstream
from tandem.app.clock import SystemClock
from tandem.app.speaking import Protocol, predictor_client
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    ContextTooLong,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    TandemError,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import Finished, GenerationEvent, Prompt, Token, Usage
from tandem.domain.question import Message, Sampling
from tandem.domain.span import SpanContext
from tandem.generation.streaming import Patience
from tandem.ports.generator import Generator, Server

PROMPT = Prompt((Message("user", "What is it?"),), "test@1")
CONTEXT = RequestContext("r-1", span=SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"))
QUICK = Patience(connect_s=5, first_token_s=0.2, idle_s=0.2)
CALM = Patience(connect_s=5, first_token_s=30, idle_s=30)
TOO_LONG = [
    (
        "tgi",
        422,
        b'{"error":"`inputs` tokens + `max_new_tokens` must be <= 768. Given: 900 and 5","error_type":"validation"}',
    ),
    ("tgi", 422, b'{"error":"`inputs` must have less than 512 tokens. Given: 600","error_type":"validation"}'),
    ("openai", 400, b'{"error":{"message":"This model\'s maximum context length is 768 tokens","code":400}}'),
    (
        "openai",
        422,
        b'{"error":"`inputs` tokens + `max_new_tokens` must be <= 768. Given: 9 and 9","error_type":"validation"}',
    ),
    ("openai", 422, b'{"error":"`inputs` must have less than 512 tokens. Given: 600","error_type":"validation"}'),
]
TGI_TOO_LONG = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 768. Given: 900 and 5"


@pytest.fixture(params=["tgi", "openai"])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return "tgi" if request.param == "tgi" else "openai"


def client(protocol: Protocol, url: str, patience: Patience = CALM) -> AbstractAsyncContextManager[Server]:
    return predictor_client(url, protocol, model="m", api_key="key", patience=patience)


async def heard(
    model: Generator, sampling: Sampling | None = None, context: RequestContext = CONTEXT
) -> list[GenerationEvent]:
    async with model.stream(PROMPT, sampling or Sampling(), context) as events:
        return [one async for one in events]


@pytest.mark.parametrize(
    "parts",
    [
        (WHOLE,),
        tuple(WHOLE[at : at + 1] for at in range(len(WHOLE))),
        (piece("Grün "), piece("😀", "stop"), USAGE, DONE),
    ],
    ids=["one write", "byte by byte", "event by event"],
)
async def test_tokens_then_one_end(protocol: Protocol, parts: tuple[bytes, ...]) -> None:
    async with upstream(streaming(*parts)) as server, client(protocol, server.url) as model:
        events = await heard(model, Sampling(max_tokens=7, temperature=0.5, top_p=0.9, stop=("END",), seed=3))
        (call,) = server.calls
    assert events == [Token("Grün "), Token("😀"), Finished("stop", Usage(5, 2))]
    assert call.line.startswith("POST /v1/chat/completions ")
    assert call.headers["x-request-id"] == "r-1"
    assert CONTEXT.span is not None
    assert call.headers["traceparent"] == CONTEXT.span.child("chat").traceparent
    assert call.headers["authorization"] == "Bearer key"
    sent = orjson.loads(call.body)
    assert {name: sent[name] for name in ("max_tokens", "temperature", "top_p", "stop", "seed")} == {
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 3,
    }


async def test_the_length_is_told(protocol: Protocol) -> None:
    say = streaming(piece("a", "length"), USAGE, DONE)
    async with upstream(say) as server, client(protocol, server.url) as model:
        assert (await heard(model))[-1] == Finished("length", Usage(5, 2))


@pytest.mark.parametrize(
    ("say", "error"),
    [
        (answering(429, b'{"error":"Model is overloaded","error_type":"overloaded"}'), Overloaded),
        (answering(422, b'{"error":"`stop` is wrong","error_type":"validation"}'), InvalidRequest),
        (answering(424, b'{"error":"Request failed","error_type":"generation"}'), UpstreamFailed),
        (answering(500, b"oops"), UpstreamFailed),
        (answering(500, b""), UpstreamFailed),
        (answering(503, b"<html>no endpoints</html>"), UpstreamUnavailable),
        (streaming(event({"error": {"message": "Model is overloaded", "code": 429}})), Overloaded),
        (streaming(event({"error": {"message": "Model is overloaded", "http_status_code": 422}})), Overloaded),
        (streaming(event({"error": {"message": TGI_TOO_LONG, "http_status_code": 422}})), ContextTooLong),
        (streaming(event({"error": {"message": "CUDA error", "http_status_code": 422}})), UpstreamFailed),
        (streaming(event({"error": {"message": "draining", "http_status_code": 503}})), UpstreamUnavailable),
        (streaming(piece("a"), event({"error": {"message": "gone", "http_status_code": 422}})), UpstreamFailed),
        (streaming(piece("a")), UpstreamFailed),
        (streaming(piece("a"), DONE), UpstreamFailed),
        (streaming(piece("a"), then="reset"), UpstreamFailed),
        (streaming(b"data: {broken\n\n"), UpstreamFailed),
        (streaming(b"data: 7\n\n"), UpstreamFailed),
        (no_http, UpstreamUnavailable),
    ],
)
async def test_failures_are_told_apart(protocol: Protocol, say: Say, error: type[TandemError]) -> None:
    async with upstream(say) as server, client(protocol, server.url) as model:
        with pytest.raises(error):
            await heard(model)


@pytest.mark.parametrize(
    ("say", "error"),
    [
        (never_answers, UpstreamUnavailable),
        (streaming(then="stall"), UpstreamUnavailable),
        (streaming(piece("a"), then="stall"), UpstreamFailed),
    ],
    ids=["no head", "no token", "no more"],
)
async def test_silence_ends(protocol: Protocol, say: Say, error: type[TandemError]) -> None:
    async with upstream(say) as server, client(protocol, server.url, QUICK) as model:
        with pytest.raises(error):
            await heard(model)
        await server.calls[0].left.wait()


@pytest.mark.parametrize("say", [never_answers, streaming(piece("a"), then="stall")], ids=["no head", "no more"])
@pytest.mark.parametrize("left_s", [-1.0, 0.2])
async def test_the_deadline_holds(protocol: Protocol, say: Say, left_s: float) -> None:
    context = RequestContext("r-1", deadline_s=SystemClock().monotonic_s() + left_s)
    async with upstream(say) as server, client(protocol, server.url) as model:
        with pytest.raises(DeadlineExceeded):
            await heard(model, context=context)


async def test_retry_after_is_kept(protocol: Protocol) -> None:
    say = answering(429, b'{"error":"Model is overloaded","error_type":"overloaded"}', "retry-after: 7\r\n")
    async with upstream(say) as server, client(protocol, server.url) as model:
        with pytest.raises(Overloaded) as refused:
            await heard(model)
    assert refused.value.retry_after_s == 7


@pytest.mark.parametrize(("protocol", "status", "body"), TOO_LONG)
async def test_a_context_too_long_is_told(protocol: Protocol, status: int, body: bytes) -> None:
    async with upstream(answering(status, body)) as server, client(protocol, server.url) as model:
        with pytest.raises(ContextTooLong):
            await heard(model)


async def test_nobody_listens(protocol: Protocol) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with client(protocol, url) as model:
        with pytest.raises(UpstreamUnavailable):
            await heard(model)
        with pytest.raises(UpstreamUnavailable):
            await model.card()


async def test_leaving_closes_the_connection(protocol: Protocol) -> None:
    say = streaming(piece("a"), then="stall")
    async with upstream(say) as server, client(protocol, server.url) as model:
        async with model.stream(PROMPT, Sampling(), CONTEXT) as events:
            assert await anext(aiter(events)) == Token("a")
            assert not server.calls[0].left.is_set()
        await server.calls[0].left.wait()


async def test_several_side_by_side(protocol: Protocol) -> None:
    gate = asyncio.Barrier(5)

    async def say(call: Call) -> None:
        await call.begin()
        await gate.wait()
        await call.part(WHOLE)
        await call.end()

    async with upstream(say) as server, client(protocol, server.url) as model:
        answers = await asyncio.gather(*(heard(model) for _ in range(5)))
    assert all(answer[-1] == Finished("stop", Usage(5, 2)) for answer in answers)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": 7}', b'{"data":[{"id":"m","max_model_len":"x"}]}'])
async def test_a_card_that_is_none(protocol: Protocol, body: bytes) -> None:
    async with upstream(answering(200, body)) as server, client(protocol, server.url) as model:
        with pytest.raises(UpstreamFailed) as told:
            await model.card()
    assert told.value.hint is not None


async def test_cards(protocol: Protocol) -> None:
    body = {
        "tgi": b'{"model_id":"org/m","model_sha":"abc","max_total_tokens":512,"router":"text-generation-router"}',
        "openai": b'{"object":"list","data":[{"id":"m","owned_by":"vllm","max_model_len":512}]}',
    }[protocol]
    async with upstream(answering(200, body)) as server, client(protocol, server.url) as model:
        card = await model.card()
        assert await model.card() == card
        assert len(server.calls) == 1
    assert card.context_tokens == 512
    assert (card.id, card.revision) == (("org/m", "abc") if protocol == "tgi" else ("m", None))


async def test_a_new_connection_may_lead_to_another_model() -> None:
    served = "old"

    async def say(call: Call) -> None:
        if call.line.startswith("GET /info "):
            info = {"model_id": served, "max_total_tokens": 512}
            await call.answer(200, orjson.dumps(info), "connection: close\r\n")
            call.close()
            return
        await call.begin()
        await call.part(WHOLE)
        await call.end()
        if served == "gone":
            call.close()

    async with upstream(say) as server, client("tgi", server.url) as model:
        told = []
        for after in ("old", "gone", "new", "new"):
            async with model.stream(PROMPT, Sampling(), CONTEXT) as events:
                assert await anext(aiter(events)) == Token("Grün ")
                told.append((await model.card()).id)
                assert [event async for event in events][-1] == Finished("stop", Usage(5, 2))
            served = after
        asked = sum(call.line.startswith("GET ") for call in server.calls)
    assert told == ["old", "old", "old", "new"]
    assert asked == 2, "a connection that is kept leads to the same process"


CAPTURED: list[tuple[str, type[TandemError] | Finished]] = [
    ("chat_stream_usage", Finished("length", Usage(12, 4))),
    ("chat_stream", Finished("length", Usage(0, 3))),
    ("overloaded_chat_stream", Overloaded),
    ("overloaded_chat", Overloaded),
    ("err_chat_input_too_long_stream", ContextTooLong),
    ("err_chat_input_too_long", ContextTooLong),
    ("shard_killed_generate", UpstreamFailed),
    ("err_chat_no_messages", InvalidRequest),
    ("err_404", UpstreamFailed),
]


@pytest.mark.parametrize(("name", "expected"), CAPTURED, ids=[name for name, _ in CAPTURED])
async def test_what_a_real_tgi_once_said(shared: Path, name: str, expected: type[TandemError] | Finished) -> None:
    head, _, body = (shared / "tgi-wire" / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    chunked = b"transfer-encoding: chunked" in head

    async def say(call: Call) -> None:
        await call.raw(head + b"\r\n\r\n")
        if chunked:
            await call.part(body)
            await call.end()
        else:
            await call.raw(body)

    async with upstream(say) as server, client("tgi", server.url) as model:
        if isinstance(expected, Finished):
            assert (await heard(model))[-1] == expected
        else:
            with pytest.raises(expected):
                await heard(model)
