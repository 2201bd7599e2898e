"""A request's place in its trace, as W3C Trace Context says it; the ids of what is done for it follow from its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

# Of a later version than ours the beginning is what it is, and more may follow; ff is none.
_TRACEPARENT = re.compile(
    rb"(?!ff)(?!00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
# Longer ones may be cut, says the standard; half a list would be another's.
_TRACESTATE = re.compile(rb"[\x20-\x7e]{1,512}")


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


def sent_span(traceparent: bytes | None, state: bytes | None, span_id: str) -> SpanContext | None:
    """The span `span_id`, called by the one that these headers name; None where they name none."""
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return None
    told = traceparent.decode("latin-1")
    known = None if state is None or not _TRACESTATE.fullmatch(state) else state.decode("latin-1")
    return SpanContext(told[3:35], span_id, told[36:52], bool(int(told[53:55], 16) & 1), known)


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
