"""How an answer is written: what every protocol has to say of a piece, of the end, and of a failure."""

from typing import Any, Protocol

import orjson

from tandem.http.predictor.faults import Fault
from tandem.http.predictor.generation import End, Piece


class Dialect(Protocol):
    """One per request; it knows the prompt and the options that show in the answer."""

    def whole(self, end: End) -> bytes:
        """The body of an answer that is not streamed."""
        ...

    def piece(self, piece: Piece) -> bytes:
        """The event of one piece."""
        ...

    def ending(self, end: End) -> bytes:
        """The last events."""
        ...

    def broken(self, fault: Fault) -> bytes:
        """The last events of a stream that failed."""
        ...


def event(content: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(content) + b"\n\n"
