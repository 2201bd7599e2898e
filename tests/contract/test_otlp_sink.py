"""Records at a receiver of OTLP: what the spans say, and what becomes of every answer that a receiver can give."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from fakes.otlp_receiver import OtlpReceiver, answered, attributes, otlp_receiver
from fakes.records import ANSWER, PASSAGE, QUESTION, answer_record, passage, with_passages
from tandem.adapters.otlp.collector import Endpoint
from tandem.adapters.otlp.sink import OtlpSink, otlp_sink
from tandem.adapters.otlp.trace import Tracing
from tandem.domain.errors import ConfigurationError, DocumentRejected, Overloaded, TandemError, UpstreamUnavailable
from tandem.domain.passage import StageTime
from tandem.domain.question import Message, Sampling
from tandem.domain.record import AnswerRecord, RecordedError, RecordedPrompt, RecordedTrace
from tandem.domain.span import SpanContext

PLACE = SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7")
NOW_S = 1_700_000_100.0
STAGES = (
    StageTime("queue", 0.0, 0.01),
    StageTime("retrieval", 0.01, 0.3),
    StageTime("embed", 0.02, 0.1),
    StageTime("search", 0.12, 0.05),
    StageTime("search", 0.17, 0.05),
    StageTime("rerank", 0.22, 0.05),
    StageTime("generation", 0.31, 0.5),
)


class Told:
    """What the receiver said that it left out."""

    def __init__(self) -> None:
        self.rejected: list[tuple[int, str]] = []

    def __call__(self, spans: int, why: str) -> None:
        self.rejected.append((spans, why))


@asynccontextmanager
async def shipping(
    tracing: Tracing | None = None, *, told: Told | None = None, request_bytes: int = 2_000_000, **endpoint: Any
) -> AsyncIterator[tuple[OtlpSink, OtlpReceiver]]:
    async with (
        otlp_receiver() as (receiver, url),
        otlp_sink(
            Endpoint(**{"url": url, "timeout_s": 5.0, **endpoint}),
            tracing or Tracing(),
            {"service.name": "tandem", "openinference.project.name": "demo"},
            now_s=lambda: NOW_S,
            version="1.2.3",
            request_bytes=request_bytes,
            rejected=told or Told(),
        ) as sink,
    ):
        yield sink, receiver


def record(number: int = 1, **changes: Any) -> AnswerRecord:
    """With a trace, all stages, two passages and a system message."""
    made = with_passages(answer_record(f"rcpt-{number}", user="jo"), passage("a.md#0"), passage("b.md#1", dense=0.25))
    prompt = RecordedPrompt("answer@1", (Message("system", "Be brief."), Message("user", f"{PASSAGE}\n{QUESTION}")), 9)
    timing = replace(made.timing, duration_s=0.85, first_token_s=0.41, stages=STAGES)
    trace = RecordedTrace(PLACE.trace_id, f"{number:016x}", PLACE.parent_id)
    return replace(made, **{"prompt": prompt, "timing": timing, "trace": trace, **changes})


def said(span: Span) -> dict[str, Any]:
    return attributes(span.attributes)


async def test_one_trace_with_the_ids_that_the_peers_know() -> None:
    async with shipping() as (sink, receiver):
        await sink.ship([record(trace=RecordedTrace(PLACE.trace_id, PLACE.span_id, PLACE.parent_id))])
    request, chat, retrieval = (receiver.named(name) for name in ("invoke_workflow", "chat", "retrieval"))
    assert {span.trace_id.hex() for span in receiver.spans.values()} == {PLACE.trace_id}
    assert (request.span_id.hex(), request.parent_span_id.hex()) == (PLACE.span_id, PLACE.parent_id)
    assert (request.kind, chat.kind, retrieval.kind) == (
        Span.SPAN_KIND_SERVER,
        Span.SPAN_KIND_CLIENT,
        Span.SPAN_KIND_CLIENT,
    )
    assert chat.span_id.hex() == PLACE.child("chat").span_id
    assert retrieval.span_id.hex() == PLACE.child("retrieval").span_id
    assert chat.parent_span_id == retrieval.parent_span_id == request.span_id
    inner = [span for span in receiver.spans.values() if span.parent_span_id == retrieval.span_id]
    steps = PLACE.child("retrieval")
    assert {span.name: span.span_id.hex() for span in inner if span.name != "search"} == {
        "embeddings minilm@1": steps.child("embed").span_id,
        "rerank": steps.child("rerank").span_id,
    }
    assert {span.span_id.hex() for span in inner if span.name == "search"} == {
        steps.child("search").span_id,
        steps.child("search/2").span_id,
    }
    assert all(span.flags & 1 for span in receiver.spans.values())


async def test_times_are_those_of_the_record() -> None:
    async with shipping() as (sink, receiver):
        await sink.ship([record()])
    request, chat = receiver.named("invoke_workflow"), receiver.named("chat")
    assert request.start_time_unix_nano == 1_700_000_000_250_000_000
    assert request.end_time_unix_nano - request.start_time_unix_nano == 850_000_000
    assert chat.start_time_unix_nano - request.start_time_unix_nano == 310_000_000
    assert chat.end_time_unix_nano - chat.start_time_unix_nano == 500_000_000


async def test_the_model_is_told_as_the_conventions_say() -> None:
    sampling = Sampling(max_tokens=64, temperature=0, top_p=0.9, stop=("END",), seed=7)
    async with shipping() as (sink, receiver):
        await sink.ship([record(sampling=sampling)])
    told = said(receiver.named("chat llama"))
    assert (
        told.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "tgi",
            "gen_ai.request.model": "llama",
            "gen_ai.response.model": "llama",
            "gen_ai.response.id": "rcpt-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 40,
            "gen_ai.usage.output_tokens": 9,
            "gen_ai.request.max_tokens": 64,
            "gen_ai.request.temperature": 0.0,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.request.stop_sequences": ["END"],
            "gen_ai.request.seed": 7,
            "gen_ai.prompt.name": "answer",
            "gen_ai.prompt.version": "1",
            "gen_ai.usage.cost": 0.000125,
            "tandem.pool": "gpu",
            "openinference.span.kind": "LLM",
        }.items()
    )
    assert told["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.1)
    assert orjson.loads(told["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    assert orjson.loads(told["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": f"{PASSAGE}\n{QUESTION}"}]}
    ]
    assert orjson.loads(told["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}
    ]


async def test_retrieval_is_told_as_the_conventions_say() -> None:
    async with shipping() as (sink, receiver):
        await sink.ship([record()])
    told = said(receiver.named("retrieval docs@3"))
    assert told["gen_ai.operation.name"] == "retrieval"
    assert told["gen_ai.data_source.id"] == "docs@3"
    assert told["gen_ai.retrieval.query.text"] == QUESTION
    documents = orjson.loads(told["gen_ai.retrieval.documents"])
    assert [each["id"] for each in documents] == ["a.md#0", "b.md#1"]
    assert [each["score"] for each in documents] == [0.03, 0.03]
    assert documents[0]["content"] == PASSAGE


async def test_the_request_tells_who_asked_and_how_it_ended() -> None:
    async with shipping() as (sink, receiver):
        await sink.ship([record()])
    request = receiver.named("invoke_workflow rag")
    told = said(request)
    assert (
        told.items()
        >= {
            "user.id": "jo",
            "tandem.tenant": "acme",
            "tandem.receipt.id": "rcpt-1",
            "tandem.outcome": "answered",
            "input.value": QUESTION,
            "output.value": ANSWER,
        }.items()
    )
    (score,) = request.events
    assert score.name == "gen_ai.evaluation.result"
    assert (
        attributes(score.attributes).items()
        >= {
            "gen_ai.evaluation.name": "support",
            "gen_ai.evaluation.score.value": 0.75,
        }.items()
    )
    assert receiver.resources[0]["openinference.project.name"] == "demo"
    assert request.status.code == Status.STATUS_CODE_UNSET


async def test_without_texts_no_span_has_any() -> None:
    bare = record(
        content=False,
        question=replace(record().question, text=None, conversation=(), standalone=None, queries=()),
        answer=replace(record().answer, text=None),
        prompt=RecordedPrompt("answer@1", (), 103),
        retrieval=replace(record().retrieval, passages=(passage("a.md#0", text=None),)),
    )
    async with shipping() as (sink, receiver):
        await sink.ship([bare])
    everything = " ".join(str(value) for span in receiver.spans.values() for value in said(span).values())
    assert not [text for text in (QUESTION, ANSWER, PASSAGE, "Be brief.", "Hello.") if text in everything]
    assert "a.md#0" in everything
    assert "content" not in orjson.loads(said(receiver.named("retrieval"))["gen_ai.retrieval.documents"])[0]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("failed", Status.STATUS_CODE_ERROR), ("client_closed", Status.STATUS_CODE_UNSET)],
)
async def test_what_failed_says_why_and_where(outcome: Any, code: int) -> None:
    error = RecordedError("upstream_failed", "The model broke off.", "generation")
    async with shipping() as (sink, receiver):
        await sink.ship([record(outcome=outcome, error=error)])
    for name in ("invoke_workflow", "chat"):
        span = receiver.named(name)
        assert said(span)["error.type"] == "upstream_failed"
        assert span.status.code == code
    assert "error.type" not in said(receiver.named("retrieval"))


async def test_a_refused_request_has_a_span_of_its_own_alone() -> None:
    turned_away = record(
        outcome="refused",
        error=RecordedError("overloaded", "Full.", "queue"),
        model=None,
        timing=replace(record().timing, stages=(StageTime("queue", 0.0, 0.2),)),
    )
    async with shipping() as (sink, receiver):
        await sink.ship([turned_away])
    assert {span.name for span in receiver.spans.values()} == {"invoke_workflow rag", "queue"}


async def test_a_retriever_that_is_a_peer_tells_of_its_own_steps() -> None:
    async with shipping(Tracing(inner_stages=False)) as (sink, receiver):
        await sink.ship([record()])
    assert {span.name for span in receiver.spans.values()} == {
        "invoke_workflow rag",
        "queue",
        "retrieval docs@3",
        "chat llama",
    }


async def test_without_a_trace_ids_follow_from_the_receipt() -> None:
    async with shipping() as (sink, receiver):
        await sink.ship([record(trace=None)])
        first = set(receiver.spans)
        await sink.ship([record(trace=None)])
        assert set(receiver.spans) == first
        assert receiver.named("invoke_workflow").parent_span_id == b""


async def test_events_of_their_own_go_to_the_logs() -> None:
    async with shipping(Tracing(separate_events=True)) as (sink, receiver):
        await sink.ship([record()])
    assert [event.event_name for event in receiver.events] == [
        "gen_ai.client.inference.operation.details",
        "gen_ai.evaluation.result",
    ]
    details, score = receiver.events
    assert details.span_id == receiver.named("chat").span_id
    assert score.span_id == receiver.named("invoke_workflow").span_id
    assert "gen_ai.input.messages" in attributes(details.attributes)
    assert not receiver.named("invoke_workflow").events


async def test_headers_and_compression() -> None:
    async with shipping(headers={"Authorization": "Basic abc"}) as (sink, receiver):
        await sink.ship([record()])
    async with shipping(compression="none") as (plain_sink, plain):
        await plain_sink.ship([record()])
    (path, headers, _), (_, plain_headers, _) = receiver.requests[0], plain.requests[0]
    assert path == "/v1/traces"
    assert headers["Authorization"] == "Basic abc"
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Content-Type"] == "application/x-protobuf"
    assert "Content-Encoding" not in plain_headers


@pytest.mark.parametrize(
    ("answer", "error", "retry_after_s"),
    [
        (web.Response(status=401), UpstreamUnavailable, None),
        (web.Response(status=403, text="no"), UpstreamUnavailable, None),
        (web.Response(status=404), UpstreamUnavailable, None),
        (web.Response(status=415), UpstreamUnavailable, None),
        (web.Response(status=307, headers={"location": "http://127.0.0.1:1/v1/traces"}), UpstreamUnavailable, None),
        (web.Response(status=429), Overloaded, 1.0),
        (web.Response(status=429, headers={"retry-after": "17"}), Overloaded, 17.0),
        (
            web.Response(status=429, headers={"retry-after": "Tue, 14 Nov 2023 22:15:30 GMT"}),
            Overloaded,
            30.0,
        ),
        (web.Response(status=429, headers={"retry-after": "soon"}), Overloaded, 1.0),
        (web.Response(status=500, text="<html>"), UpstreamUnavailable, None),
        (web.Response(status=502), UpstreamUnavailable, None),
        (web.Response(status=503, headers={"retry-after": "9999999"}), UpstreamUnavailable, 3600.0),
        (web.Response(status=504), UpstreamUnavailable, None),
    ],
    ids=lambda given: str(given.status) if isinstance(given, web.Response) else None,
)
async def test_what_may_work_later(answer: web.Response, error: type[TandemError], retry_after_s: float | None) -> None:
    async with shipping() as (sink, receiver):
        receiver.answer = lambda _request, _http: answer
        with pytest.raises(error) as raised:
            await sink.ship([record()])
        assert getattr(raised.value, "retry_after_s", None) == retry_after_s
        assert str(answer.status) in raised.value.message
        assert len(receiver.requests) == 1
        receiver.answer = lambda _request, _http: None
        await sink.ship([record()])
    assert receiver.ids() == ["rcpt-1"]


async def test_a_malformed_batch_is_refused() -> None:
    async with shipping() as (sink, receiver):
        receiver.answer = lambda _request, _http: web.Response(status=400, text="bad \x00 span\nid")
        with pytest.raises(DocumentRejected, match="400: bad span id") as raised:
            await sink.ship([record()])
    assert raised.value.reason == "refused"


def at_most(number: int) -> Any:
    """A receiver that takes so many requests' spans at once."""

    def answer(request: ExportTraceServiceRequest, _: web.Request) -> web.Response | None:
        spans = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
        records = sum(span.name.startswith("invoke_workflow") for span in spans)
        return web.Response(status=413) if records > number else None

    return answer


async def test_too_much_at_once_goes_in_smaller_requests_from_then_on() -> None:
    async with shipping() as (sink, receiver):
        receiver.answer = at_most(4)
        await sink.ship([record(number) for number in range(16)])
        assert len(receiver.ids()) == 16
        seen = len(receiver.requests)
        await sink.ship([record(number) for number in range(16, 32)])
        assert len(receiver.ids()) == 32
        # It has learnt: less is said in vain than the first time.
        assert len(receiver.requests) - seen < seen


async def test_a_record_that_is_too_much_by_itself_is_refused() -> None:
    async with shipping() as (sink, receiver):
        receiver.answer = at_most(0)
        with pytest.raises(DocumentRejected) as raised:
            await sink.ship([record()])
    assert raised.value.reason == "too_large"


async def test_a_large_batch_goes_in_several_requests() -> None:
    async with shipping(request_bytes=20_000) as (sink, receiver):
        await sink.ship([record(number) for number in range(20)])
        sizes = [size for _, _, size in receiver.requests]
    assert len(receiver.ids()) == 20
    assert len(sizes) > 1
    assert max(sizes) < 24_000


async def test_what_the_receiver_leaves_out_is_told() -> None:
    told = Told()
    partial = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
    )
    async with shipping(told=told) as (sink, receiver):
        receiver.answer = lambda _request, _http: answered(partial)
        await sink.ship([record()])
    assert told.rejected == [(3, "too old")]


async def test_an_odd_answer_with_200_is_200() -> None:
    told = Told()
    async with shipping(told=told) as (sink, receiver):
        receiver.answer = lambda _request, _http: web.Response(text="<html>Thank you!</html>")
        await sink.ship([record()])
    assert told.rejected == []


async def test_a_receiver_that_hangs_is_left() -> None:
    async with shipping(timeout_s=0.2) as (sink, receiver):
        receiver.hangs = True
        began = time.monotonic()
        with pytest.raises(UpstreamUnavailable, match=r"did not answer in 0\.2 s"):
            await sink.ship([record()])
        assert time.monotonic() - began < 2


async def test_nobody_there() -> None:
    async with shipping(url="http://127.0.0.1:1") as (sink, _):
        with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
            await sink.ship([record()])


async def test_no_tls_where_it_is_expected() -> None:
    async with otlp_receiver() as (_, url), shipping(url=url.replace("http:", "https:")) as (sink, _):
        with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
            await sink.ship([record()])


async def test_a_bad_file_of_certificates_is_told_at_the_start(tmp_path: Any) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        async with shipping(url="https://127.0.0.1:1", certificate=str(tmp_path / "ca.pem")):
            pass


async def test_an_endpoint_may_name_the_signal() -> None:
    tracing = Tracing(separate_events=True)
    async with otlp_receiver() as (receiver, url), shipping(tracing, url=f"{url}/v1/traces/") as (sink, _):
        await sink.ship([record()])
    assert [path for path, _, _ in receiver.requests] == ["/v1/traces", "/v1/logs"]
