"""A span as OpenTelemetry knows it, as a plain value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Floats stay floats on the wire and ints ints; None is not said at all.
Attribute = str | bool | int | float | tuple[str, ...] | None
Kind = Literal["internal", "server", "client"]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at an instant of a span; `at_ns` since 1970."""

    name: str
    at_ns: int
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """Ids in hex, instants in nanoseconds since 1970; `error` is why it failed, None where it did not."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_ns: int
    end_ns: int
    kind: Kind = "internal"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    error: str | None = None
    sampled: bool = True


@dataclass(frozen=True, slots=True)
class LogEvent:
    """An event that stands by itself, told about a span; semantic conventions say what its attributes are."""

    trace_id: str
    span_id: str
    name: str
    at_ns: int
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
