"""A request through several processes is one trace, whose parents fit, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from component.asking import Model, model, serving
from fakes.otlp_receiver import OtlpReceiver, attributes, otlp_receiver

CLIENT = "00f067aa0ba902b7"
COMING_S = 20.0


@dataclass(frozen=True)
class Fleet:
    """Two gateways over one retriever: `recorded` ships its answers' records, `plain` does not, and its model is slow."""

    got: OtlpReceiver
    recorded: aiohttp.ClientSession
    plain: aiohttp.ClientSession
    slow: Model


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        got, url = await stack.enter_async_context(otlp_receiver())
        slow = await stack.enter_async_context(model(tokens=200))
        told = {"telemetry__traces__endpoint": url, "telemetry__traces__interval_s": 0.1}
        opening = [
            serving("predictor", folder / "p", predictor__model="extractive", **told),
            serving("retriever", folder / "r", **told),
        ]
        predictor, retriever = [await stack.enter_async_context(one) for one in opening]
        over: dict[str, object] = {"retriever__url": retriever.url, "predictor__protocol": "openai", **told}
        recorded = serving(
            "gateway",
            folder / "a",
            predictor__url=predictor.url,
            predictor__model="extractive",
            monitor__otlp__endpoint=url,
            **over,
        )
        plain = serving("gateway", folder / "b", predictor__url=slow.url, predictor__model="steady", **over)
        front, other = [(await stack.enter_async_context(one)).url for one in (recorded, plain)]
        http = await stack.enter_async_context(aiohttp.ClientSession(front))
        put = await http.put("/v1/documents/a.txt", data=b"The harbour opens at seven.")
        assert put.status == 200
        yield Fleet(got, http, await stack.enter_async_context(aiohttp.ClientSession(other)), slow)


def asked(*, stream: bool = False) -> dict[str, Any]:
    question = {"role": "user", "content": "When does the harbour open?"}
    return {"model": "tandem", "messages": [question], "stream": stream}


def told(trace: int, *, sampled: bool = True) -> dict[str, str]:
    return {"traceparent": f"00-{trace:032x}-{CLIENT}-{'01' if sampled else '00'}", "tracestate": "acme=1"}


async def trace_of(got: OtlpReceiver, trace: int, enough: Callable[[dict[str, Span]], bool]) -> dict[str, Span]:
    """The trace's spans by their ids, once there are enough; time that runs out fails what is asserted next."""
    ends_s = asyncio.get_running_loop().time() + COMING_S
    while True:
        spans = {key: span for key, span in got.spans.items() if span.trace_id.hex() == f"{trace:032x}"}
        if enough(spans) or asyncio.get_running_loop().time() > ends_s:
            return spans
        await asyncio.sleep(0.05)


def servers(got: OtlpReceiver, spans: dict[str, Span]) -> list[str]:
    return sorted(got.services[key] for key, span in spans.items() if span.kind == Span.SPAN_KIND_SERVER)


def assert_fits(got: OtlpReceiver, spans: dict[str, Span]) -> None:
    """Every parent is there, and began before; only the outermost has the client for one.

    A server is not done before its client has the answer, but maybe just after: ends are compared within a process.
    """
    outermost = [span for span in spans.values() if span.parent_span_id.hex() == CLIENT]
    assert len(outermost) == 1
    for key, span in spans.items():
        if span is not outermost[0]:
            above = spans[span.parent_span_id.hex()]
            # Clocks of one machine, read in several processes: a millisecond is nothing.
            assert above.start_time_unix_nano - 2_000_000 <= span.start_time_unix_nano
            if got.services[key] == got.services[span.parent_span_id.hex()]:
                assert span.end_time_unix_nano <= above.end_time_unix_nano + 2_000_000, (span.name, above.name)
        assert span.end_time_unix_nano >= span.start_time_unix_nano


def below(spans: dict[str, Span], name: str) -> list[str]:
    """The names from the span of this name up to the outermost."""
    [span] = [span for span in spans.values() if span.name == name]
    path = [span.name]
    while (above := spans.get(span.parent_span_id.hex())) is not None:
        span = above
        path.append(span.name)
    return path


async def test_one_request_is_one_trace(tmp_path: Path) -> None:
    async with fleet(tmp_path) as running:
        await _answers_with_records(running)
        await _an_answer_without(running)
        await _other_routes(running)
        await _nobody_samples(running)
        await _the_client_leaves(running)


async def _answers_with_records(running: Fleet) -> None:
    """The record tells of the gateway, the peers of themselves, and nothing stands twice."""
    got, whole = running.got, {"tandem-retriever", "tandem-predictor"}
    for trace, stream in ((1, False), (2, True)):
        async with running.recorded.post(
            "/v1/chat/completions", json=asked(stream=stream), headers=told(trace)
        ) as reply:
            assert reply.status == 200
            await reply.read()
        spans = await trace_of(got, trace, lambda spans: len(servers(got, spans)) >= 3)
        assert_fits(got, spans)
        assert len(servers(got, spans)) == 3
        assert whole < set(servers(got, spans))
        assert below(spans, "search")[1:3] == ["retrieval", "POST /v1/retrieve"]
        assert below(spans, "search")[3].startswith("retrieval docs@")
        [generated] = [span for span in spans.values() if span.name == "POST /v1/chat/completions"]
        assert spans[generated.parent_span_id.hex()].name.startswith("chat ")
        assert below(spans, "generate")[:2] == ["generate", generated.name]


async def _an_answer_without(running: Fleet) -> None:
    """No record goes anywhere: then the gateway tells of the answer itself, and the model is told whom it works for."""
    running.slow.gap_s = 0.0
    async with running.plain.post("/v1/chat/completions", json=asked(stream=True), headers=told(3)) as reply:
        await reply.read()
    got = running.got
    spans = await trace_of(got, 3, lambda spans: len(servers(got, spans)) >= 2)
    assert_fits(got, spans)
    assert servers(got, spans) == ["tandem-gateway", "tandem-retriever"]
    [root] = [span for span in spans.values() if span.parent_span_id.hex() == CLIENT]
    assert attributes(root.attributes)["tandem.receipt"].startswith("rcpt-")
    [chat] = [span for span in spans.values() if span.name == "chat"]
    assert attributes(chat.attributes)["gen_ai.usage.output_tokens"] > 0
    sent = running.slow.headers[-1]
    assert sent["traceparent"] == f"00-{3:032x}-{chat.span_id.hex()}-01"
    assert sent["tracestate"] == "acme=1"


async def _other_routes(running: Fleet) -> None:
    """Retrieval and documents have no record: the gateway tells of them too where it ships the others'."""
    got = running.got
    async with running.recorded.post("/v1/retrieve", json={"query": "harbour"}, headers=told(4)) as reply:
        assert reply.status == 200
    async with running.recorded.put("/v1/documents/b.txt", data=b"Boats pay.", headers=told(5)) as reply:
        assert reply.status == 200
    for trace, step in ((4, "embed"), (5, "store")):
        spans = await trace_of(got, trace, lambda spans: len(servers(got, spans)) >= 2)
        assert_fits(got, spans)
        assert servers(got, spans) == ["tandem-gateway", "tandem-retriever"]
        assert step in {span.name for span in spans.values()}


async def _nobody_samples(running: Fleet) -> None:
    """What went well leaves no trace; what failed does, though nobody sampled it."""
    for trace in (6, 7):
        more = {"x-request-timeout-ms": "1"} if trace == 7 else {}
        async with running.plain.post(
            "/v1/retrieve", json={"query": "harbour"}, headers={**told(trace, sampled=False), **more}
        ) as reply:
            assert reply.status == (504 if trace == 7 else 200)
    got = running.got
    spans = await trace_of(got, 7, lambda spans: "tandem-gateway" in servers(got, spans))
    [root] = [span for span in spans.values() if span.parent_span_id.hex() == CLIENT]
    assert (root.status.code, attributes(root.attributes)["error.type"]) == (Span().status.STATUS_CODE_ERROR, "504")
    assert await trace_of(got, 6, lambda _: True) == {}


async def _the_client_leaves(running: Fleet) -> None:
    running.slow.gap_s = 0.05
    reply = await running.plain.post("/v1/chat/completions", json=asked(stream=True), headers=told(8))
    await reply.content.readany()
    reply.close()
    got = running.got
    spans = await trace_of(got, 8, lambda spans: "tandem-gateway" in servers(got, spans))
    assert_fits(got, spans)
    [root] = [span for span in spans.values() if span.parent_span_id.hex() == CLIENT]
    assert attributes(root.attributes)["tandem.outcome"] == "client_closed"
    [chat] = [span for span in spans.values() if span.name == "chat"]
    assert attributes(chat.attributes)["error.type"] == "cancelled"
