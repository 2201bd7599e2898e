"""Records at a receiver of OTLP: what becomes of every answer that it can give."""

import time
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from fakes.otlp_receiver import answered, otlp_receiver
from fakes.otlp_shipping import Told, record, shipping
from tandem.adapters.otlp.trace import Tracing
from tandem.domain.errors import ConfigurationError, DocumentRejected, Overloaded, TandemError, UpstreamUnavailable


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


async def test_one_who_refuses_whatever_comes_is_not_the_records_fault() -> None:
    async with shipping() as (sink, receiver):
        receiver.answer = lambda _request, _http: web.Response(status=400, text="no such project")
        for _ in range(12):
            with pytest.raises(DocumentRejected):
                await sink.ship([record()])
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable, match="no such project"):
                await sink.ship([record()])
        receiver.answer = lambda _request, _http: None
        await sink.ship([record()])
        assert receiver.ids() == ["rcpt-1"]
        receiver.answer = lambda _request, _http: web.Response(status=400)
        with pytest.raises(DocumentRejected):
            await sink.ship([record(2)])


async def test_many_bad_records_in_a_row_are_the_records_fault() -> None:
    def answer(request: ExportTraceServiceRequest, _: web.Request) -> web.Response | None:
        return web.Response(status=400) if request.resource_spans[0].scope_spans[0].spans else None

    async with shipping() as (sink, receiver):
        receiver.answer = answer
        for number in range(20):
            with pytest.raises(DocumentRejected):
                await sink.ship([record(number)])


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
