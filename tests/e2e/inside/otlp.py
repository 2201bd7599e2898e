"""Runs in a pod: an OTLP receiver on the port given. `GET /ids` lists the receipts of the answers whose spans it got."""

import gzip
import sys

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_RECEIPT = "tandem.receipt.id"


def receiver() -> web.Application:
    """Both addresses."""
    ids: dict[str, int] = {}

    async def traces(request: web.Request) -> web.Response:
        body = await request.read()
        told = ExportTraceServiceRequest.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        spans = [span for of in told.resource_spans for scope in of.scope_spans for span in scope.spans]
        for span in spans:
            for attribute in span.attributes:
                if attribute.key == _RECEIPT:
                    ids[attribute.value.string_value] = ids.get(attribute.value.string_value, 0) + 1
        return web.Response(content_type="application/x-protobuf")

    async def listed(_: web.Request) -> web.Response:
        return web.json_response(ids)

    app = web.Application(client_max_size=16_000_000)
    app.router.add_post("/v1/traces", traces)
    app.router.add_get("/ids", listed)
    return app


if __name__ == "__main__":
    web.run_app(receiver(), host="0.0.0.0", port=int(sys.argv[1]))
