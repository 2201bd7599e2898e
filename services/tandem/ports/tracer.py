"""Where requests and other work are followed: what is kept of them becomes a trace."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.span import Attribute, Span, SpanContext
from tandem.domain.steps import Work


class Tracer(Protocol):
    """It never waits and never raises: what it has no room for it counts and forgets."""

    @property
    def follows(self) -> bool:
        """False where nothing is kept."""
        ...

    def samples(self, trace_id: str) -> bool:
        """Whether a trace that begins here is one of those that are kept in any case; all processes decide alike."""
        ...

    def begin(self, span: SpanContext, began_s: float) -> Work:
        """A request came, at this instant of the monotonic clock."""
        ...

    def keeps(self, work: Work, *, failed: bool) -> bool:
        """Whether what is over is kept: one of the sample, failed, or slow. A measure may name it as an example then."""
        ...

    def tell(self, work: Work, served: "Served") -> None:
        """Keep the request and its steps."""
        ...

    def background(self, name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[SpanContext | None]:
        """Work of our own, in a trace of its own; None where nobody follows it. Inside a request: a step of that."""
        ...

    def past(self, name: str, took_s: float, attributes: Mapping[str, Attribute], error: str | None) -> None:
        """Work of our own that is over, and whose parts have traces of their own: one span, alone in its trace."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """A request that is over: `error` is the code of what it failed with; `recorded`: its record tells of it as well."""

    name: str
    attributes: dict[str, Attribute]
    error: str | None = None
    recorded: bool = False


class Spans(Protocol):
    """Where spans go. It never waits and never raises: what it has no room for it counts and forgets."""

    def offer(self, spans: Sequence[Span]) -> None:
        """Those of one piece of work."""
        ...
