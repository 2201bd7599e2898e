"""Which traces are kept, decided when the work is over: a share of all, and whatever failed or was slow."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tandem.domain.span import Attribute, Kind, Span, SpanContext
from tandem.domain.steps import Step, Work, code_of, enter, here, leave, running_span
from tandem.ports.clock import Clock
from tandem.ports.tracer import Served, Spans

# Of the trace id's lower half, as OpenTelemetry's own sampler by ratio looks at it.
_HALF = 1 << 64


@dataclass(frozen=True, slots=True)
class Keeping:
    """`ratio` of the traces that begin here, of others what their caller decided; `slow_s` and longer is always kept.

    `answers_recorded`: what has a record is told by whoever ships the records, and not here.
    """

    ratio: float = 1.0
    slow_s: float = 10.0
    answers_recorded: bool = False


class Tracing:
    """`ports/tracer.py` over somewhere to send spans to."""

    follows = True

    def __init__(self, spans: Spans, clock: Clock, keeping: Keeping) -> None:
        self._spans = spans
        self._clock = clock
        self._keeping = keeping
        self._bound = round(keeping.ratio * _HALF)

    def samples(self, trace_id: str) -> bool:
        """See the port: the trace's id decides."""
        return int(trace_id[16:], 16) < self._bound

    def begin(self, span: SpanContext, began_s: float) -> Work:
        """See the port."""
        return Work(span, self._clock.monotonic_s, began_s)

    def keeps(self, work: Work, *, failed: bool) -> bool:
        """See the port."""
        return work.span.sampled or failed or self._clock.monotonic_s() - work.began_s >= self._keeping.slow_s

    def tell(self, work: Work, served: Served) -> None:
        """See the port. What a record tells stays with it: a span told twice would stand twice."""
        if not (served.recorded and self._keeping.answers_recorded):
            self._tell(work, served.name, "server", served.attributes, served.error)

    @contextmanager
    def background(self, name: str, attributes: Mapping[str, Attribute]) -> Iterator[SpanContext | None]:
        """See the port."""
        if here() is not None:
            with Step(name, dict(attributes)):
                yield running_span()
            return
        work = self.begin(self._root(), self._clock.monotonic_s())
        token, error = enter(work), None
        try:
            yield work.span
        except BaseException as fault:
            error = code_of(fault)
            raise
        finally:
            leave(token)
            if self.keeps(work, failed=error is not None):
                self._tell(work, name, "internal", dict(attributes), error)
            work.forget()

    def past(self, name: str, took_s: float, attributes: Mapping[str, Attribute], error: str | None) -> None:
        """See the port."""
        work = self.begin(self._root(), self._clock.monotonic_s() - took_s)
        if self.keeps(work, failed=error is not None):
            self._tell(work, name, "internal", dict(attributes), error)

    def _root(self) -> SpanContext:
        trace_id = f"{random.getrandbits(128) or 1:032x}"
        return SpanContext(trace_id, f"{random.getrandbits(64) or 1:016x}", sampled=self.samples(trace_id))

    def _tell(self, work: Work, name: str, kind: Kind, attributes: dict[str, Attribute], error: str | None) -> None:
        ended_s = self._clock.monotonic_s()
        epoch_s = self._clock.epoch_s() - ended_s
        if work.lost:
            attributes["tandem.steps_left_out"] = work.lost
        whole = Span(work.span, name, work.began_s + epoch_s, ended_s + epoch_s, kind, attributes, error)
        self._spans.offer([whole, *(step.span(epoch_s) for step in work.steps)])
