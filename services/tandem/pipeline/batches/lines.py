"""The lines of a batch file in OpenAI's format, read one by one: what is wrong with a line is that line's alone.

invalid_json_line     no JSON object, no UTF-8, or longer than a line may be
missing_custom_id     none, or not a text of 1 to 512 characters
duplicate_custom_id   a line before has it
invalid_method        not POST
invalid_url           not the batch's endpoint
invalid_body          no JSON object
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson

from tandem.domain.batch_line import BatchLine, LineFault

CHAT = "/v1/chat/completions"
# As much as a request over HTTP may have by default, and then some for what is around it.
MAX_LINE_BYTES = 2_100_000
MAX_CUSTOM_ID = 512
_BOM = b"\xef\xbb\xbf"
_SHOWN = 60
_HELD = MAX_LINE_BYTES + 16


def read_line(number: int, raw: bytes, seen: MutableMapping[str, int], endpoint: str = CHAT) -> BatchLine | None:
    """None for a blank line. `seen` is where each custom_id was met first, by line number; it is kept up to date."""
    text = raw.removeprefix(_BOM) if number == 0 else raw
    # Of one that was cut, what looks blank may not have been.
    text = text.strip() if len(raw) < _HELD else raw
    if not text:
        return None
    told = _object(text)
    if isinstance(told, LineFault):
        return BatchLine(number, None, None, told)
    custom_id = told.get("custom_id")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= MAX_CUSTOM_ID or "\x00" in custom_id:
        message = f"custom_id: a text of 1 to {MAX_CUSTOM_ID} characters is needed."
        return BatchLine(number, None, None, LineFault("missing_custom_id", message))
    first = seen.setdefault(custom_id, number)
    if first != number:
        body: bytes | LineFault = LineFault("duplicate_custom_id", f"Line {first + 1} has this custom_id already.")
    else:
        body = _fault(told, endpoint) or _written(told["body"])
    if isinstance(body, LineFault):
        return BatchLine(number, custom_id, None, body)
    return BatchLine(number, custom_id, body)


def with_defaults(body: bytes, defaults: Mapping[str, str]) -> bytes:
    """The request with what it leaves open of its `tandem` object."""
    told = orjson.loads(body)
    asked = told.get("tandem") or {}
    if not defaults or not isinstance(asked, dict):
        return body
    missing = {name: value for name, value in defaults.items() if asked.get(name) is None}
    return orjson.dumps({**told, "tandem": {**asked, **missing}})


class LineReader:
    """Lines out of a file's bytes as they come; never more than one line is held, and of one that is too long its head."""

    __slots__ = ("_endpoint", "_held", "_number", "_seen")

    def __init__(self, endpoint: str = CHAT) -> None:
        self._endpoint = endpoint
        self._seen: dict[str, int] = {}
        self._number = 0
        self._held = bytearray()

    def feed(self, piece: bytes) -> list[BatchLine]:
        """What became whole."""
        *whole, rest = piece.split(b"\n")
        lines = []
        for part in whole:
            if not part and not self._held:
                # A file may be nothing else.
                self._number += 1
                continue
            self._hold(part)
            line = self._take()
            if line is not None:
                lines.append(line)
        self._hold(rest)
        return lines

    def end(self) -> list[BatchLine]:
        """The last line, where no line break follows it."""
        line = self._take()
        return [] if line is None else [line]

    def _hold(self, part: bytes) -> None:
        # Of a line that is too long as much as tells that it is.
        self._held += part[: _HELD - len(self._held)]

    def _take(self) -> BatchLine | None:
        number, raw = self._number, bytes(self._held)
        self._number += 1
        self._held.clear()
        return read_line(number, raw, self._seen, self._endpoint)


def _object(text: bytes) -> dict[str, Any] | LineFault:
    if len(text) > MAX_LINE_BYTES:
        return LineFault("invalid_json_line", f"It is longer than {MAX_LINE_BYTES:,} bytes.")
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return LineFault("invalid_json_line", f"It is no JSON: {error.msg}, at column {error.colno}.")
    return told if isinstance(told, dict) else LineFault("invalid_json_line", "It is no JSON object.")


def _fault(told: dict[str, Any], endpoint: str) -> LineFault | None:
    method, url, body = told.get("method"), told.get("url"), told.get("body")
    if method != "POST":
        return LineFault("invalid_method", f"method: POST is needed, not {_shown(method)}.")
    if url != endpoint:
        return LineFault("invalid_url", f"url: {endpoint} is needed, not {_shown(url)}.")
    if not isinstance(body, dict):
        return LineFault("invalid_body", "body: a chat request, a JSON object, is needed.")
    return None


def _written(body: dict[str, Any]) -> bytes | LineFault:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # Read to a depth of 1024, written to one of 254.
        return LineFault("invalid_body", "body: it is nested too deep.")


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return "nothing" if value is None else "something else"
    return value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
