"""Server-sent events out of bytes that may be cut anywhere."""

_LIMIT_BYTES = 16 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SseParser:
    """The `data` of each event, by the WHATWG's rules for lines; comments, event names and ids are skipped.

    Raises `ValueError` for an event that grows past 16 MB.
    """

    __slots__ = ("_begun", "_data", "_data_bytes", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._begun = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that `piece` completed."""
        between_events = self._begun and not self._rest and not self._data
        if between_events and (whole := _plain(piece)) is not None:
            return whole
        self._rest += piece
        if not self._begins():
            return []
        *lines, rest = self._split()
        self._rest = bytearray(rest)
        events: list[bytes] = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._data_bytes = 0
        self._check(len(self._rest) + self._data_bytes)
        return events

    def _begins(self) -> bool:
        """False while what came so far may still be half of a byte order mark."""
        if not self._begun:
            if len(self._rest) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(self._rest):
                return False
            self._rest = bytearray(self._rest.removeprefix(_BYTE_ORDER_MARK))
            self._begun = True
        return True

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
            # The line end that joins it to the next one counts too: empty lines must not grow for ever.
            self._data_bytes += len(value) + 1
            self._check(self._data_bytes)

    def _check(self, size: int) -> None:
        if size > _LIMIT_BYTES:
            raise ValueError("a server-sent event is larger than 16 MB")


def _plain(piece: bytes) -> list[bytes] | None:
    """The events of a piece that holds nothing but whole ones of one line of data each, as most do; else None."""
    if piece[-2:] != b"\n\n" or b"\r" in piece or len(piece) > _LIMIT_BYTES:
        return None
    events = []
    for block in piece[:-2].split(b"\n\n"):
        if block[:6] != b"data: " or b"\n" in block:
            return None
        events.append(block[6:])
    return events
