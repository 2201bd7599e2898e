"""No traces."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from tandem.domain.span import Attribute, SpanContext
from tandem.domain.steps import Work
from tandem.ports.tracer import Served


class Untraced:
    """`ports/tracer.py` where nobody follows anything. Whether others keep a trace that begins here they decide."""

    follows = False

    def samples(self, _trace_id: str) -> bool:
        """See the port."""
        return True

    def begin(self, span: SpanContext, began_s: float) -> Work:
        """See the port. Its ids go to the servers that are called, who may follow it."""
        return Work(span, lambda: began_s, began_s)

    def keeps(self, _work: Work, *, failed: bool) -> bool:  # noqa: ARG002 - the port's
        """See the port."""
        return False

    def tell(self, work: Work, served: Served) -> None:
        """See the port."""

    def background(
        self, _name: str, _attributes: Mapping[str, Attribute]
    ) -> AbstractContextManager[SpanContext | None]:
        """See the port."""
        return nullcontext()

    def past(self, name: str, took_s: float, attributes: Mapping[str, Attribute], error: str | None) -> None:
        """See the port."""


UNTRACED = Untraced()
