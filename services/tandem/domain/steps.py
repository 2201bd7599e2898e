"""The steps of a piece of work, noted where they are made: what runs knows for which request, and under which span.

A step costs about a microsecond. What is noted is looked at when the work is over, and mostly thrown away then.
"""

from asyncio import CancelledError
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from tandem.domain.errors import TandemError
from tandem.domain.span import Attribute, Span, SpanContext

# Of one piece of work: a round over thousands of documents is not kept whole.
MOST_STEPS = 256


class Work:
    """A request, or something done in the background: its span and its steps. `now_s` is a monotonic clock."""

    __slots__ = ("began_s", "lost", "now_s", "span", "steps")

    def __init__(self, span: SpanContext, now_s: Callable[[], float], began_s: float) -> None:
        self.span = span
        self.now_s = now_s
        self.began_s = began_s
        self.steps: list[Step] = []
        self.lost = 0

    def forget(self) -> None:
        """It is over, and was told of where it is: steps and their work know each other, and would wait for the collector."""
        self.steps.clear()

    @property
    def example(self) -> str | None:
        """The trace's id, where it is kept in any case."""
        return self.span.trace_id if self.span.sampled else None


class Place:
    """Where in its work a task is: at its root, or inside a step. The span is worked out only when it is asked for."""

    __slots__ = ("_below", "_name", "_span", "_up", "work")

    def __init__(self, work: Work, up: "Place | None" = None, name: str = "") -> None:
        self.work = work
        self._up = up
        self._name = name
        self._span: SpanContext | None = work.span if up is None else None
        # Not a dict: a stream that is open for an hour would hold it for two names.
        self._below: tuple[str, ...] = ()

    @property
    def span(self) -> SpanContext:
        """Its ids follow from those above it and its name, as `SpanContext.child` makes them."""
        if self._span is None:
            above = self.work.span if self._up is None else self._up.span
            self._span = above.child(self._name)
        return self._span

    def below(self, name: str) -> "Place":
        """A step from here: `search`, then `search/2`."""
        number = 1 + self._below.count(name)
        self._below += (name,)
        return Place(self.work, self, name if number == 1 else f"{name}/{number}")


_here: ContextVar[Place | None] = ContextVar("tandem.place", default=None)


def here() -> Place | None:
    """Where the running task is; None when nobody follows what it does."""
    return _here.get()


def running_span() -> SpanContext | None:
    """The span on whose behalf another server is called."""
    place = _here.get()
    return None if place is None else place.span


def trace_headers() -> dict[str, str]:
    """What tells a server the span it is called by. Empty where nobody is called for."""
    told = running_span()
    if told is None:
        return {}
    if told.state is None:
        return {"traceparent": told.traceparent}
    return {"traceparent": told.traceparent, "tracestate": told.state}


def enter(work: Work) -> Token[Place | None]:
    """What this task and those it starts do from now on is done for `work`."""
    return _here.set(Place(work))


def leave(token: Token[Place | None]) -> None:
    """Back to what it was for before."""
    _here.reset(token)


class Step:
    """`with Step("search"):` notes what is done inside, where anybody follows it. `tell` adds what is known only then."""

    __slots__ = ("_place", "_token", "attributes", "began_s", "ended_s", "error", "name")

    def __init__(self, name: str, attributes: dict[str, Attribute] | None = None) -> None:
        self.name = name
        self.attributes = attributes
        self.began_s = self.ended_s = 0.0
        self.error: str | None = None
        self._place: Place | None = None
        self._token: Token[Place | None] | None = None

    def __enter__(self) -> Self:
        above = _here.get()
        if above is not None:
            self._place = above.below(self.name)
            self._token = _here.set(self._place)
            self.began_s = above.work.now_s()
        return self

    def tell(self, name: str, value: Attribute) -> None:
        """An attribute of it."""
        if self._place is None:
            return
        if self.attributes is None:
            self.attributes = {}
        self.attributes[name] = value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        _here.reset(self._token)
        self.over(error)

    def begin(self) -> "Step":
        """As `with` does, for what ends in another task or place; what is called meanwhile does not know of it."""
        above = _here.get()
        if above is not None:
            self._place = above.below(self.name)
            self.began_s = above.work.now_s()
        return self

    def over(self, error: BaseException | None = None) -> None:
        """It ended, by `error` or well."""
        place, self._token = self._place, None
        if place is None or self.ended_s:
            return
        work = place.work
        self.ended_s = work.now_s()
        if error is not None:
            self.error = code_of(error)
        if len(work.steps) < MOST_STEPS:
            work.steps.append(self)
        else:
            work.lost += 1

    def span(self, epoch_s: float) -> Span:
        """As a span; `epoch_s` is what lies between the clock of the work and 1970."""
        if self._place is None:
            raise RuntimeError("a step that nobody followed")
        return Span(
            self._place.span,
            self.name,
            self.began_s + epoch_s,
            self.ended_s + epoch_s,
            attributes=self.attributes or {},
            error=self.error,
        )


def code_of(error: BaseException) -> str:
    """What an error is called in a span: never its message, which may quote what was asked."""
    if isinstance(error, TandemError):
        return error.code
    # A client that left, or a process that does; a stream that nobody reads on is closed rather than cancelled.
    return "cancelled" if isinstance(error, (CancelledError, GeneratorExit)) else type(error).__name__
