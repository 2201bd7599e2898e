"""Steps of requests in OTLP's protobuf: thousands a second where every trace is kept, so without a value in between."""

from opentelemetry.proto.trace.v1 import trace_pb2 as wire

from tandem.domain.sayable import sayable
from tandem.domain.span import Kind, Span

_NS = 1_000_000_000
# What its integers hold; a server may count with more.
_MOST = 1 << 63
_KINDS: dict[Kind, "wire.Span.SpanKind.ValueType"] = {
    "internal": wire.Span.SPAN_KIND_INTERNAL,
    "server": wire.Span.SPAN_KIND_SERVER,
    "client": wire.Span.SPAN_KIND_CLIENT,
}
_FLAGS = {False: wire.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK, True: wire.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | 1}


def step_message(span: Span) -> wire.Span:
    """The message of one span. An error is told by its code alone: its message may quote what was said."""
    place = span.context
    message = wire.Span(
        trace_id=bytes.fromhex(place.trace_id),
        span_id=bytes.fromhex(place.span_id),
        parent_span_id=bytes.fromhex(place.parent_id or ""),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=round(span.began_at * _NS),
        end_time_unix_nano=round(span.ended_at * _NS),
        flags=_FLAGS[place.sampled],
    )
    add = message.attributes.add
    for key, told in span.attributes.items():
        value = add(key=key).value
        if isinstance(told, str):
            value.string_value = sayable(told)
        elif isinstance(told, bool):
            value.bool_value = told
        elif isinstance(told, int) and -_MOST <= told < _MOST:
            value.int_value = told
        else:
            value.double_value = float(told)
    if span.error is not None:
        add(key="error.type").value.string_value = span.error
        message.status.code = wire.Status.STATUS_CODE_ERROR
    return message
