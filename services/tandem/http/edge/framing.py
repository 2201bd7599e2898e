"""What one request takes on the wire: how much of it is head, how much body, and how much neither."""

from tandem.http.edge.refusals import LARGE_HEAD, MALFORMED

# Chunk sizes, extensions and trailers may take this many times the body's bytes.
_MAX_FRAMING = 8


class Framing:
    """Counts of the message that is being read; `limit` bytes are what a head may take."""

    __slots__ = ("_body", "_head", "_limit", "_raw", "in_head", "in_message")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.in_head = False
        self.in_message = False
        self._head = self._raw = self._body = 0

    def begin(self) -> None:
        """Its first byte."""
        self.in_head = self.in_message = True
        self._head = self._raw = self._body = 0

    def body(self, size: int) -> None:
        """So many bytes of its body."""
        self._body += size

    def left_of(self, announced: int) -> int:
        """Bytes of a body of this length that have not come."""
        return announced - self._body

    def fed(self, size: int) -> bytes | None:
        """The parser took so many bytes: a refusal when they are too many, None when all is well."""
        self._raw += size
        if self.in_head:
            self._head += size
            return LARGE_HEAD if self._head > self._limit else None
        if self.in_message and self._raw > 2 * self._limit + _MAX_FRAMING * self._body:
            return MALFORMED
        return None
