"""Spans and events in OTLP's protobuf.

By `opentelemetry-proto` alone: the ids are known already, so that the SDK, which makes its own, has nothing to add. Messages
are filled where they stand: one that is made first and put into another is copied there, at three times the cost.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.trace.v1 import trace_pb2 as wire

from tandem.adapters.otlp.span import Attribute, Kind, LogEvent, Span
from tandem.domain.sayable import sayable

_KINDS: dict[Kind, "wire.Span.SpanKind.ValueType"] = {
    "internal": wire.Span.SPAN_KIND_INTERNAL,
    "server": wire.Span.SPAN_KIND_SERVER,
    "client": wire.Span.SPAN_KIND_CLIENT,
}
_SAMPLED = 1
# Whether the parent is in another process is told: it is, or it is not known.
_REMOTE_KNOWN = wire.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_LONGEST_INT = 2**63


class TraceRequest:
    """A whole request, span by span; `scope` is the name and version of what made them."""

    def __init__(self, resource: Mapping[str, str], scope: tuple[str, str]) -> None:
        self._request = ExportTraceServiceRequest()
        of_resource = self._request.resource_spans.add()
        _fill(of_resource.resource.attributes, resource)
        self._spans = of_resource.scope_spans.add()
        self._spans.scope.name, self._spans.scope.version = scope

    def add(self, span: Span) -> None:
        """One more."""
        message = self._spans.spans.add()
        message.trace_id = bytes.fromhex(span.trace_id)
        message.span_id = bytes.fromhex(span.span_id)
        message.parent_span_id = bytes.fromhex(span.parent_id or "")
        message.name = sayable(span.name)
        message.kind = _KINDS[span.kind]
        message.start_time_unix_nano = span.start_ns
        message.end_time_unix_nano = span.end_ns
        message.flags = _REMOTE_KNOWN | (_SAMPLED if span.sampled else 0)
        _fill(message.attributes, span.attributes)
        for event in span.events:
            told = message.events.add()
            told.name, told.time_unix_nano = event.name, event.at_ns
            _fill(told.attributes, event.attributes)
        if span.error is not None:
            message.status.code = wire.Status.STATUS_CODE_ERROR
            message.status.message = sayable(span.error)

    def encoded(self) -> bytes:
        """The request. Two of them, one behind the other, are a request as well, as protobuf has it."""
        return bytes(self._request.SerializeToString())


def trace_request(spans: Iterable[wire.Span], resource: Mapping[str, str], scope: tuple[str, str]) -> bytes:
    """A request of messages that are made already."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    _fill(of_resource.resource.attributes, resource)
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name, of_scope.scope.version = scope
    of_scope.spans.extend(spans)
    return bytes(request.SerializeToString())


def log_request(events: Iterable[LogEvent], resource: Mapping[str, str], scope: tuple[str, str]) -> bytes:
    """A request of events."""
    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    _fill(of_resource.resource.attributes, resource)
    of_scope = of_resource.scope_logs.add()
    of_scope.scope.name, of_scope.scope.version = scope
    for event in events:
        _log(of_scope.log_records.add(), event)
    return bytes(request.SerializeToString())


def _log(message: LogRecord, event: LogEvent) -> None:
    message.time_unix_nano = message.observed_time_unix_nano = event.at_ns
    message.severity_number = SeverityNumber.SEVERITY_NUMBER_INFO
    message.event_name = event.name
    message.trace_id = bytes.fromhex(event.trace_id)
    message.span_id = bytes.fromhex(event.span_id)
    message.flags = _SAMPLED
    _fill(message.attributes, event.attributes)


def _fill(into: Any, attributes: Mapping[str, Attribute]) -> None:
    """`into` is a message's repeated key and value."""
    for key, value in attributes.items():
        if value is None:
            continue
        pair = into.add()
        pair.key = key
        told = pair.value
        if isinstance(value, str):
            told.string_value = sayable(value)
        elif isinstance(value, bool):
            told.bool_value = value
        elif isinstance(value, float):
            told.double_value = value
        elif isinstance(value, int):
            if -_LONGEST_INT <= value < _LONGEST_INT:
                told.int_value = value
            else:
                told.string_value = str(value)
        else:
            for each in value:
                told.array_value.values.add().string_value = sayable(each)
