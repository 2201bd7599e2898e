"""Records as traces to a collector."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tandem.adapters.otlp.collector import LOGS, TRACES, Collector, Endpoint, collector
from tandem.adapters.otlp.encoding import TraceRequest, log_request
from tandem.adapters.otlp.trace import Tracing
from tandem.domain.errors import DocumentRejected, UpstreamUnavailable
from tandem.domain.record import AnswerRecord

SCOPE = "tandem"
_LEAST_BYTES = 16 * 1024
# To find one bad record among 256 takes eight refusals, to find two next to each other nine.
_IN_A_ROW = 12

# Told how many spans the receiver said it left out, and what it said.
Rejected = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """What one record becomes: whole requests, which may be put one behind the other, as protobuf has it."""

    spans: bytes
    events: bytes


class OtlpSink:
    """`ports/sink.py`: what is too much for one request goes in several. A collector keeps a span that comes again once."""

    def __init__(
        self,
        to: Collector,
        tracing: Tracing,
        resource: Mapping[str, str],
        *,
        version: str,
        request_bytes: int,
        rejected: Rejected,
    ) -> None:
        self._to = to
        self._tracing = tracing
        self._resource = resource
        self._scope = (SCOPE, version)
        self._request_bytes = request_bytes
        self._rejected = rejected
        self._refused = 0

    @property
    def name(self) -> str:
        """See the port."""
        return "otlp"

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """See the port. A record that is too large by itself is rejected."""
        for part in self._parts(await asyncio.to_thread(self._encoded, records)):
            await self._send(part)

    def _encoded(self, records: Sequence[AnswerRecord]) -> list[_Encoded]:
        encoded = []
        for record in records:
            request = TraceRequest(self._resource, self._scope)
            for span in self._tracing.spans(record):
                request.add(span)
            events = self._tracing.events(record)
            told = log_request(events, self._resource, self._scope) if events else b""
            encoded.append(_Encoded(request.encoded(), told))
            # Python's lock is let go: without, whoever streams tokens meanwhile gets it every 5 ms only.
            time.sleep(0)  # noqa: TID251 - in a thread, for no time
        return encoded

    def _parts(self, encoded: Sequence[_Encoded]) -> Iterator[list[_Encoded]]:
        part: list[_Encoded] = []
        size = 0
        for each in encoded:
            if part and size + len(each.spans) > self._request_bytes:
                yield part
                part, size = [], 0
            part.append(each)
            size += len(each.spans)
        if part:
            yield part

    async def _send(self, part: Sequence[_Encoded]) -> None:
        body = b"".join(each.spans for each in part)
        try:
            self._heard(await self._to.post(TRACES, body))
            if events := b"".join(each.events for each in part):
                await self._to.post(LOGS, events)
        except DocumentRejected as error:
            if error.reason != "too_large" or len(part) == 1:
                await self._blame(error)
                raise
            # It will not take more the next time, either.
            self._request_bytes = max(min(self._request_bytes, len(body)) // 2, _LEAST_BYTES)
            half = len(part) // 2
            await self._send(part[:half])
            await self._send(part[half:])
        else:
            self._refused = 0

    async def _blame(self, error: DocumentRejected) -> None:
        """Raises `UpstreamUnavailable` where it is not the records' fault: when a request without any is refused as well."""
        self._refused += 1
        if self._refused <= _IN_A_ROW:
            return
        try:
            await self._to.post(TRACES, TraceRequest(self._resource, self._scope).encoded())
        except DocumentRejected as probed:
            raise UpstreamUnavailable(
                f"{error.message} It refuses whatever comes.",
                hint="Is it a receiver of OTLP, and do its headers name a project that there is?",
            ) from probed

    def _heard(self, answer: bytes) -> None:
        try:
            partial = ExportTraceServiceResponse.FromString(answer).partial_success
        except DecodeError:  # it is 2xx all the same: some answer in JSON, or with a page
            return
        if partial.rejected_spans or partial.error_message:
            self._rejected(partial.rejected_spans, partial.error_message)


@asynccontextmanager
async def otlp_sink(
    endpoint: Endpoint,
    tracing: Tracing,
    resource: Mapping[str, str],
    *,
    now_s: Callable[[], float],
    version: str,
    request_bytes: int = 2_000_000,
    rejected: Rejected,
) -> AsyncIterator[OtlpSink]:
    """A sink with connections of its own; `now_s` are seconds since 1970. Raises `ConfigurationError`."""
    async with collector(endpoint, now_s) as to:
        yield OtlpSink(to, tracing, resource, version=version, request_bytes=request_bytes, rejected=rejected)
