"""A record at a receiver of OTLP: what its spans say."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from fakes.otlp_receiver import attributes
from fakes.otlp_shipping import PLACE, record, shipping, told_by
from fakes.records import ANSWER, PASSAGE, QUESTION, passage
from tandem.adapters.otlp.trace import Tracing
from tandem.domain.passage import StageTime
from tandem.domain.question import Sampling
from tandem.domain.record import RecordedError, RecordedPrompt, RecordedTrace


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
    told = told_by(receiver.named("chat llama"))
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
    told = told_by(receiver.named("retrieval docs@3"))
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
    told = told_by(request)
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
    everything = " ".join(str(value) for span in receiver.spans.values() for value in told_by(span).values())
    assert not [text for text in (QUESTION, ANSWER, PASSAGE, "Be brief.", "Hello.") if text in everything]
    assert "a.md#0" in everything
    assert "content" not in orjson.loads(told_by(receiver.named("retrieval"))["gen_ai.retrieval.documents"])[0]


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
        assert told_by(span)["error.type"] == "upstream_failed"
        assert span.status.code == code
    assert "error.type" not in told_by(receiver.named("retrieval"))


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


async def test_a_retriever_that_is_a_peer_tells_of_its_own_steps_where_it_is_sampled() -> None:
    async with shipping(Tracing(inner_stages=False)) as (sink, receiver):
        await sink.ship([record(trace=RecordedTrace(PLACE.trace_id, PLACE.span_id, None, sampled=False))])
        assert receiver.named("rerank").parent_span_id.hex() == PLACE.child("retrieval").span_id
        receiver.spans.clear()
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
