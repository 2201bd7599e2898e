"""Spans and events in OTLP's protobuf.

By `opentelemetry-proto` alone: the ids are known already, so that the SDK, which makes its own, has nothing to add.
"""

from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as wire

from tandem.adapters.otlp.span import Attribute, Kind, LogEvent, Span, SpanEvent
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


def span_message(span: Span) -> wire.Span:
    """The message of one span."""
    message = wire.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id or ""),
        name=sayable(span.name),
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_attributes(span.attributes),
        events=map(_event, span.events),
        flags=_REMOTE_KNOWN | (_SAMPLED if span.sampled else 0),
    )
    if span.error is not None:
        message.status.CopyFrom(wire.Status(code=wire.Status.STATUS_CODE_ERROR, message=sayable(span.error)))
    return message


def log_message(event: LogEvent) -> LogRecord:
    """The message of one event."""
    return LogRecord(
        time_unix_nano=event.at_ns,
        observed_time_unix_nano=event.at_ns,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        event_name=event.name,
        attributes=_attributes(event.attributes),
        trace_id=bytes.fromhex(event.trace_id),
        span_id=bytes.fromhex(event.span_id),
        flags=_SAMPLED,
    )


def trace_request(spans: Iterable[wire.Span], resource: Mapping[str, str], scope: tuple[str, str]) -> bytes:
    """A whole request; `scope` is the name and version of what made the spans."""
    of_scope = wire.ScopeSpans(scope=InstrumentationScope(name=scope[0], version=scope[1]), spans=spans)
    of_resource = wire.ResourceSpans(resource=_resource(resource), scope_spans=[of_scope])
    return bytes(ExportTraceServiceRequest(resource_spans=[of_resource]).SerializeToString())


def log_request(records: Sequence[LogRecord], resource: Mapping[str, str], scope: tuple[str, str]) -> bytes:
    """A whole request of events."""
    of_scope = ScopeLogs(scope=InstrumentationScope(name=scope[0], version=scope[1]), log_records=records)
    of_resource = ResourceLogs(resource=_resource(resource), scope_logs=[of_scope])
    return bytes(ExportLogsServiceRequest(resource_logs=[of_resource]).SerializeToString())


def _resource(attributes: Mapping[str, str]) -> Resource:
    return Resource(attributes=_attributes(attributes))


def _event(event: SpanEvent) -> wire.Span.Event:
    return wire.Span.Event(name=event.name, time_unix_nano=event.at_ns, attributes=_attributes(event.attributes))


def _attributes(attributes: Mapping[str, Attribute]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items() if value is not None]


def _value(value: str | bool | int | float | tuple[str, ...]) -> AnyValue:  # noqa: PYI041 - ints stay ints on the wire
    if isinstance(value, str):
        return AnyValue(string_value=sayable(value))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value) if -_LONGEST_INT <= value < _LONGEST_INT else AnyValue(string_value=str(value))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=sayable(each)) for each in value]))
