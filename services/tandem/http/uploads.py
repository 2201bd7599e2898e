"""A file out of a multipart form, as it comes: neither memory nor this disk ever holds all of it.

python-multipart reads the form; Starlette's own use of it puts the file on the disk first, and this root is read-only.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from tandem.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MAX_FIELD_BYTES = 4_096
_MAX_PARTS = 16
_FILE = "file"


@dataclass(slots=True)
class _Part:
    name: str = ""
    filename: str | None = None
    value: bytearray = field(default_factory=bytearray)


class Upload:
    """`fields` are those that came so far: behind the file's content all of them."""

    def __init__(self, request: Request) -> None:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise InvalidRequest(
                "A form with a file is needed.",
                hint="Send multipart/form-data: curl -F purpose=batch -F file=@in.jsonl.",
            )
        self.fields: dict[str, str] = {}
        self.filename = ""
        self._stream = request.stream()
        self._parts = 0
        self._part = _Part()
        self._header = (bytearray(), bytearray())
        self._ready: list[bytes] = []
        self._file: _Part | None = None
        self._whole = False
        try:
            self._parser = MultipartParser(options[b"boundary"], self._callbacks())
        except FormParserError as error:
            raise InvalidRequest(f"The form cannot be read: {error}.") from error

    async def begin(self) -> None:
        """Up to the file. Raises `InvalidRequest` for a form without one."""
        while self._file is None:
            if not await self._more():
                raise InvalidRequest("file: the form has no file.", param=_FILE)

    async def content(self) -> AsyncIterator[bytes]:
        """The file's bytes; when they are over, the form is."""
        while True:
            ready, self._ready = self._ready, []
            for piece in ready:
                yield piece
            if not await self._more():
                break
        for piece in self._ready:
            yield piece

    async def _more(self) -> bool:
        try:
            piece = await anext(self._stream, b"")
            if piece:
                self._parser.write(piece)
                return True
        except FormParserError as error:
            raise InvalidRequest(f"The form cannot be read: {error}.") from error
        if not self._whole:
            raise InvalidRequest("The form cannot be read: its end is missing.")
        return False

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._headed,
            "on_end": self._over,
        }

    def _over(self) -> None:
        self._whole = True

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise InvalidRequest(f"The form has more than {_MAX_PARTS} parts.")
        self._part = _Part()

    def _headed(self) -> None:
        name, value = (bytes(each) for each in self._header)
        self._header = (bytearray(), bytearray())
        if name.lower() != b"content-disposition":
            return
        _, options = parse_options_header(value)
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        self._part.filename = None if filename is None else filename.decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.name == _FILE and part.filename is not None:
            self._take_file(part)
            self._ready.append(data[start:end])
            return
        part.value += data[start:end]
        if len(part.value) > _MAX_FIELD_BYTES:
            raise InvalidRequest(f"{part.name}: longer than {_MAX_FIELD_BYTES:,} bytes.", param=part.name)

    def _end(self) -> None:
        part = self._part
        if part.name == _FILE and part.filename is not None:
            self._take_file(part)
        elif part.name:
            self.fields[part.name] = part.value.decode("utf-8", "replace")

    def _take_file(self, part: _Part) -> None:
        if self._file is None:
            self._file, self.filename = part, part.filename or ""
        elif part is not self._file:
            raise InvalidRequest("file: the form has more than one.", hint="Upload them one by one.", param=_FILE)
