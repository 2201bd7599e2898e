"""Spans and metrics on their way to a collector, over a real socket: what it is sent, and what becomes of the rest."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from fakes.otlp_receiver import attributes, otlp_receiver
from tandem.adapters.otlp.collector import Endpoint, collector
from tandem.adapters.otlp.exporting import Exporting, Schedule, exporting
from tandem.adapters.otlp.reporting import Reporting
from tandem.app.clock import SystemClock
from tandem.domain.span import Span, SpanContext
from tandem.observe.metrics import Metrics

RESOURCE = {"service.name": "tandem-retriever", "service.version": "1"}
SCOPE = ("tandem", "1")
NEVER_S = 3600.0


class Meter:
    """Counts in a dict."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.why = ""

    def sent(self, number: int) -> None:
        self.counts["sent"] += number

    def lost(self, number: int, reason: str) -> None:
        self.counts[reason] += number

    def failed(self, why: str) -> None:
        self.counts["failed"] += 1
        self.why = why

    def waiting(self, number: int) -> None:
        self.counts["waiting"] = number


def spans(number: int, *, error: str | None = None) -> list[Span]:
    root = SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    return [
        Span(root.child(f"s{n}"), f"s{n}", 1_767_225_600.0 + n, 1_767_225_601.5 + n, "server", {"n": n}, error)
        for n in range(number)
    ]


@asynccontextmanager
async def exported(
    to: str, meter: Meter, schedule: Schedule, *, timeout_s: float = 5.0, end_s: float = 1.0
) -> AsyncIterator[Exporting]:
    async with (
        collector(Endpoint(to, timeout_s=timeout_s), SystemClock().epoch_s) as post,
        exporting(post, meter, RESOURCE, SCOPE, schedule, end_s) as out,
    ):
        yield out


async def test_spans_arrive_whole_and_say_whose_they_are() -> None:
    meter = Meter()
    async with otlp_receiver() as (got, url), exported(url, meter, Schedule(every_s=NEVER_S)) as out:
        out.offer(spans(2, error="upstream_unavailable"))
    assert got.resources == [RESOURCE]
    first = got.named("s0")
    assert (first.name, first.kind) == ("s0", first.SPAN_KIND_SERVER)
    assert first.parent_span_id.hex() == "b7ad6b7169203331"
    assert first.end_time_unix_nano - first.start_time_unix_nano == 1_500_000_000
    assert attributes(first.attributes) == {"n": 0, "error.type": "upstream_unavailable"}
    assert (first.status.code, first.status.message) == (2, "")
    assert meter.counts["sent"] == 2


async def test_a_full_batch_goes_at_once_and_more_than_fits_is_lost() -> None:
    meter = Meter()
    schedule = Schedule(room=10, batch=8, every_s=NEVER_S)
    async with otlp_receiver() as (_, url), exported(url, meter, schedule) as out:
        out.offer(spans(7))
        out.offer(spans(4))
        assert meter.counts["full"] == 4
        out.offer(spans(1))
        while not meter.counts["sent"]:
            await asyncio.sleep(0.005)
        assert meter.counts["sent"] == 8


@pytest.mark.parametrize("fault", ["gone", "hangs", "503", "429"])
async def test_a_collector_that_is_away_costs_nobody_anything_but_the_spans_that_do_not_fit(fault: str) -> None:
    meter = Meter()
    async with otlp_receiver() as (got, url):
        to = "http://127.0.0.1:9" if fault == "gone" else url
        got.hangs = fault == "hangs"
        got.answer = lambda _request, _http: web.Response(status=int(fault)) if fault.isdigit() else None
        schedule = Schedule(room=20, batch=8, every_s=0.01, pause_s=0.01, longest_pause_s=0.01)
        async with exported(to, meter, schedule, timeout_s=0.05, end_s=0.1) as out:
            out.offer(spans(8))
            while not meter.counts["failed"]:
                await asyncio.sleep(0.005)
            out.offer(spans(12))
            out.offer(spans(1))
            assert meter.counts["full"] == 1
    assert meter.counts["left_over"] == 20
    assert meter.counts["sent"] == 0
    assert meter.why


async def test_what_was_not_taken_is_sent_again_in_order_once_it_can_be() -> None:
    meter = Meter()
    async with otlp_receiver() as (got, url):
        got.answer = lambda _request, _http: web.Response(status=503)
        schedule = Schedule(batch=4, every_s=0.01, pause_s=0.01, longest_pause_s=0.01)
        async with exported(url, meter, schedule) as out:
            out.offer(spans(6))
            while not meter.counts["failed"]:
                await asyncio.sleep(0.005)
            got.answer = lambda _request, _http: None
            while meter.counts["sent"] < 6:
                await asyncio.sleep(0.005)
    assert [span.name for span in got.spans.values()] == [f"s{n}" for n in range(6)]


async def test_spans_that_a_collector_refuses_are_not_sent_for_ever() -> None:
    meter = Meter()
    async with otlp_receiver() as (got, url), exported(url, meter, Schedule(every_s=NEVER_S)) as out:
        got.answer = lambda _request, _http: web.Response(status=400)
        out.offer(spans(3))
    assert meter.counts == Counter(refused=3, waiting=0)


async def test_metrics_go_out_under_opentelemetrys_names_with_buckets_and_examples() -> None:
    metrics, trace = Metrics("1", "gateway", follows=True), "0af7651916cd43dd8448eb211c80319c"
    metrics.arrived("/v1/retrieve")
    metrics.ended("/v1/retrieve", 200, 0.03, "acme", trace)
    metrics.ended("/v1/retrieve", 200, 7.0, "acme", None)
    metrics.gen_ai_tokens.labels("chat", "tgi", "m", "m", "input").observe(5)
    async with otlp_receiver() as (got, url), collector(Endpoint(url), SystemClock().epoch_s) as post:
        clock = SystemClock()
        await Reporting(post, metrics.registry, Meter(), RESOURCE, SCOPE, clock.epoch_s, NEVER_S).report()
    [sent] = got.reports
    told = {each.name: each for each in _all(sent)}
    [seconds] = told["tandem_request_seconds"].histogram.data_points
    assert (seconds.count, seconds.sum, told["tandem_request_seconds"].unit) == (2, 7.03, "s")
    assert len(seconds.bucket_counts) == len(seconds.explicit_bounds) + 1
    assert sum(seconds.bucket_counts) == 2
    assert [each.trace_id.hex() for each in seconds.exemplars] == [trace]
    [tokens] = told["gen_ai.client.token.usage"].histogram.data_points
    assert {each.key for each in tokens.attributes} == {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.token.type",
    }
    [requests] = told["tandem_requests"].sum.data_points
    assert (requests.as_double, told["tandem_requests"].sum.is_monotonic) == (1, True)


def _all(sent: ExportMetricsServiceRequest) -> list[Metric]:
    return list(sent.resource_metrics[0].scope_metrics[0].metrics)
