"""Server-sent events out of bytes that may be cut anywhere."""

_LIMIT_BYTES = 16 * 1024 * 1024


class SseParser:
    """The `data` of each event, by the WHATWG's rules for lines; comments, event names and ids are skipped.

    Raises `ValueError` for an event that grows past 16 MB.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that `piece` completed."""
        self._rest += piece
        if len(self._rest) > _LIMIT_BYTES:
            raise ValueError("a server-sent event is larger than 16 MB")
        *lines, rest = self._split()
        self._rest = bytearray(rest)
        events: list[bytes] = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
        return events

    def _split(self) -> list[bytes]:
        # A lone carriage return at the end may be half of a line end that is still under way.
        held = self._rest[-1:] == b"\r"
        whole = bytes(self._rest[:-1] if held else self._rest)
        lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if held:
            lines[-1] += b"\r"
        return lines

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
