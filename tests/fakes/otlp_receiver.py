"""A receiver of OTLP over HTTP that decodes what it gets with OpenTelemetry's own messages."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from fakes.live_aiohttp import live_aiohttp

Answer = Callable[[ExportTraceServiceRequest, web.Request], web.StreamResponse | None]


@dataclass
class OtlpReceiver:
    """Keeps the spans by their ids, as a collector's store does, and whose they are. `answer` may say something else than 200."""

    spans: dict[str, Span] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    reports: list[ExportMetricsServiceRequest] = field(default_factory=list)
    events: list[LogRecord] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    answer: Answer = field(default=lambda _request, _http: None)
    hangs: bool = False

    async def traces(self, http: web.Request) -> web.StreamResponse:
        """`/v1/traces`."""
        body = await self._body(http)
        request = ExportTraceServiceRequest.FromString(body)
        said = self.answer(request, http)
        if said is not None and said.status != 200:
            return said
        for of_resource in request.resource_spans:
            self.resources.append(attributes(of_resource.resource.attributes))
            for of_scope in of_resource.scope_spans:
                self.spans.update({span.span_id.hex(): span for span in of_scope.spans})
                service = self.resources[-1].get("service.name", "")
                self.services.update({span.span_id.hex(): service for span in of_scope.spans})
        return said or answered(ExportTraceServiceResponse())

    async def logs(self, http: web.Request) -> web.StreamResponse:
        """`/v1/logs`."""
        request = ExportLogsServiceRequest.FromString(await self._body(http))
        self.events += [
            record
            for of_resource in request.resource_logs
            for of_scope in of_resource.scope_logs
            for record in of_scope.log_records
        ]
        return web.Response()

    async def metrics(self, http: web.Request) -> web.StreamResponse:
        """`/v1/metrics`."""
        self.reports.append(ExportMetricsServiceRequest.FromString(await self._body(http)))
        return web.Response()

    async def _body(self, http: web.Request) -> bytes:
        body = await http.read()
        self.requests.append((http.path, dict(http.headers), len(body)))
        if self.hangs:
            await asyncio.Event().wait()
        # aiohttp's server has unpacked it already, when its head says gzip.
        return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body

    def named(self, name: str) -> Span:
        """The one span whose name begins so."""
        (span,) = [span for span in self.spans.values() if span.name.startswith(name)]
        return span

    def ids(self) -> list[str]:
        """Of the records whose requests' spans are here."""
        told = (attributes(span.attributes).get("tandem.receipt.id") for span in self.spans.values())
        return [each for each in told if each is not None]


def answered(response: ExportTraceServiceResponse) -> web.Response:
    """200 with this."""
    return web.Response(body=response.SerializeToString(), content_type="application/x-protobuf")


def attributes(pairs: Any) -> dict[str, Any]:
    """As plain values."""
    return {pair.key: _plain(pair.value) for pair in _listed(pairs)}


def _listed(pairs: Any) -> list[KeyValue]:
    return list(pairs)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)


@asynccontextmanager
async def otlp_receiver() -> AsyncIterator[tuple[OtlpReceiver, str]]:
    """A receiver on a free port of this machine, and its base URL."""
    receiver = OtlpReceiver()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", receiver.traces)
    app.router.add_post("/v1/logs", receiver.logs)
    app.router.add_post("/v1/metrics", receiver.metrics)
    async with live_aiohttp(app) as url:
        yield receiver, url
