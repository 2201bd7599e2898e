"""Addresses of machines, where they count as personal: only when asked for, since documents about computers are full of them."""

from collections.abc import Iterator
from ipaddress import ip_address

from tandem.pipeline.privacy.finding import Find, compiled, word

PATTERN = r"\b(?:\d{1,3}\.){3}\d{1,3}\b|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*[0-9A-Fa-f:]"


class Addresses:
    """`Detector` of IPv4 and IPv6 addresses."""

    kind = "ip"
    pattern = PATTERN

    def __init__(self) -> None:
        self._found = compiled(PATTERN)

    def find(self, text: bytes) -> Iterator[Find]:
        """See the protocol."""
        for match in self._found.finditer(text):
            start, end = match.span()
            outside = not (word(text, start - 1) or word(text, end) or text[end : end + 1] == b":")
            if outside and _address(text[start:end].decode()):
                yield Find(self.kind, start, end)


def _address(written: str) -> bool:
    try:
        # `::` alone is one as well, and so would be `a::b` in a program.
        return bool(ip_address(written)) and any(map(str.isdigit, written))
    except ValueError:
        return False
