"""A request's place in its trace, as W3C Trace Context says it; the ids of what is done for it follow from its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal


@dataclass(frozen=True, slots=True)
class SpanContext:
    """`trace_id` is 32, `span_id` and `parent_id` (None: it began here) are 16 hex digits; `sampled` is told along.

    `state` is the client's `tracestate`, which is handed on as it came.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    sampled: bool = True
    state: str | None = None

    @property
    def traceparent(self) -> str:
        """What is sent to whom this span calls."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self, name: str) -> "SpanContext":
        """The span of the step `name`, the same each time: who records it later need not be told its id."""
        span_id = blake2b(f"{self.span_id}/{name}".encode(), digest_size=8).hexdigest()
        return SpanContext(self.trace_id, span_id, self.span_id, self.sampled, self.state)


# What can be told of a span.
Attribute = str | int | float | bool
Kind = Literal["server", "client", "internal"]


@dataclass(frozen=True, slots=True)
class Span:
    """A step that is over. `began_at` and `ended_at` are seconds since 1970; `error` is the code of what it failed with."""

    context: SpanContext
    name: str
    began_at: float
    ended_at: float
    kind: Kind = "internal"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str | None = None
