"""A sink that ships to a receiver of this process, and records that have everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from fakes.otlp_receiver import OtlpReceiver, attributes, otlp_receiver
from fakes.records import PASSAGE, QUESTION, answer_record, passage, with_passages
from tandem.adapters.otlp.collector import Endpoint
from tandem.adapters.otlp.sink import OtlpSink, otlp_sink
from tandem.adapters.otlp.trace import Tracing
from tandem.domain.passage import StageTime
from tandem.domain.question import Message
from tandem.domain.record import AnswerRecord, RecordedPrompt, RecordedTrace
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


def told_by(span: Span) -> dict[str, Any]:
    return attributes(span.attributes)
