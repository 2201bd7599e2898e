"""What the chunks of one answer have in common, so that only what differs has to be read.

A server repeats everything around a token's text to the byte: id, model, time, indices. Where one JSON string stands
another one may stand, and changes nothing around it: a chunk that begins and ends as a known one says what stands between.
"""

import orjson

_KEY = b'"content":'


class Mould:
    """Made from one chunk that was read whole, good for those that look like it. Knows the last one it was shown."""

    __slots__ = ("_after", "_before", "_least")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._least = 0

    def text(self, data: bytes) -> str | None:
        """The chunk's text, None when the chunk is not of this mould: then it has to be read."""
        if not self._least or len(data) < self._least:
            return None
        if not (data.startswith(self._before) and data.endswith(self._after)):
            return None
        try:
            # From quote to quote: whatever is no whole JSON string in between, is none here either.
            text = orjson.loads(data[len(self._before) - 1 : len(data) - len(self._after) + 1])
        except orjson.JSONDecodeError:
            return None
        return text if isinstance(text, str) else None

    def learn(self, data: bytes, text: str) -> None:
        """`data` is a chunk that says `text` and nothing else; a mould is made of it when that is safe."""
        self._least = 0
        key = data.find(_KEY)
        if key < 0:
            # Written another way: with a space before the colon, or escaped.
            return
        begins = key + len(_KEY)
        while data[begins : begins + 1] == b" ":
            begins += 1
        ends = _end_of_string(data, begins)
        if ends == 0:
            return
        before, after = data[: begins + 1], data[ends - 1 :]
        # What stands there must be what is read as the text, and not some other field of that name: with another text
        # in its place another one is read.
        other = "b" if text == "a" else "a"
        chunk = orjson.loads(before[:-1] + orjson.dumps(other) + after[1:])
        if [choice["delta"]["content"] for choice in chunk["choices"]] == [other]:
            self._before, self._after, self._least = before, after, len(before) + len(after)


def _end_of_string(data: bytes, begins: int) -> int:
    """Behind the closing quote of the JSON string that begins there; 0 when none does."""
    if data[begins : begins + 1] != b'"':
        return 0
    at = begins + 1
    while (at := data.find(b'"', at)) > 0:
        slashes = at - len(data[:at].rstrip(b"\\"))
        at += 1
        if slashes % 2 == 0:
            return at
    return 0
