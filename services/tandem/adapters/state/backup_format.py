"""A backup as a file: JSON lines in gzip, the first says what it is, the last what was written.

Both come with Python, and `zcat FILE | jq` reads it; zstd would need a package before 3.14, MessagePack one and a reader.
"""

import gzip
import hashlib
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, Self

import orjson

from tandem.domain.errors import ConfigurationError, InvalidRequest

_FORMAT = "tandem-state"
_VERSION = 1
# Texts shrink to a fifth at a third of the cost of the usual level.
_LEVEL = 3
_LONGEST_HEAD = 1_000_000

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` is how many of them follow."""

    name: str
    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Header:
    """`schema` is the version of the store's, `made_at` seconds since 1970; tables stand so that what is referred to comes first."""

    schema: str
    tandem: str
    made_at: float
    tables: tuple[Table, ...]

    @property
    def rows(self) -> dict[str, int]:
        """Of each table."""
        return {table.name: table.rows for table in self.tables}


class BackupWriter:
    """Puts a backup into a stream, which stays open."""

    def __init__(self, into: BinaryIO, header: Header) -> None:
        # No name and no time: the same store makes the same bytes.
        self._into = gzip.GzipFile("", "wb", _LEVEL, into, mtime=0)
        self._hash = hashlib.sha256()
        self._written = 0
        self._put(orjson.dumps({"format": _FORMAT, "version": _VERSION, **asdict(header)}) + b"\n")

    def write(self, rows: Rows) -> None:
        """Those of the tables, in the header's order."""
        self._written += len(rows)
        self._put(b"".join(orjson.dumps([_told(value) for value in row]) + b"\n" for row in rows))

    def close(self) -> None:
        """Without it a reader finds the backup cut off."""
        end = {"end": {"rows": self._written, "sha256": self._hash.hexdigest()}}
        self._into.write(orjson.dumps(end) + b"\n")
        self._into.close()

    def _put(self, lines: bytes) -> None:
        self._hash.update(lines)
        self._into.write(lines)


@dataclass(slots=True)
class BackupReader:
    """What a stream holds; `opened` makes one. Everything raises `InvalidRequest` for what is damaged."""

    header: Header
    _lines: gzip.GzipFile
    _hash: Any = field(repr=False)

    @classmethod
    def opened(cls, stream: BinaryIO) -> Self:
        """Raises `InvalidRequest` for what is no backup, `ConfigurationError` for the format of a newer Tandem."""
        lines = gzip.GzipFile(fileobj=stream, mode="rb")
        try:
            line = lines.readline(_LONGEST_HEAD)
            told = orjson.loads(line)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise _foreign() from error
        if not isinstance(told, dict) or told.get("format") != _FORMAT:
            raise _foreign()
        if told.get("version") != _VERSION:
            raise ConfigurationError(
                f"The backup is written in a way that is not known here: Tandem {told.get('tandem')} made it.",
                hint="Restore it with that Tandem, or a later one.",
            )
        return cls(_header(told), lines, hashlib.sha256(line))

    def rows(self, most: int, most_bytes: int) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
        """All of them, some at a time. Only when it ends without raising were they those that were written."""
        for table in self.header.tables:
            some: list[dict[str, Any]] = []
            size = 0
            for _ in range(table.rows):
                line = self._line()
                self._hash.update(line)
                some.append(_row(line, table))
                size += len(line)
                if len(some) >= most or size >= most_bytes:
                    yield table, some
                    some, size = [], 0
            if some:
                yield table, some
        self._check()

    def _check(self) -> None:
        end = _parsed(self._line())
        told = end.get("end") if isinstance(end, dict) else None
        if told != {"rows": sum(self.header.rows.values()), "sha256": self._hash.hexdigest()}:
            raise damaged("its checksum is another one")
        try:
            rest = self._lines.read(1)
        except (OSError, EOFError, zlib.error) as error:
            raise damaged("it is cut off" if isinstance(error, EOFError) else "it cannot be unpacked") from error
        if rest:
            raise damaged("something follows its end")

    def _line(self) -> bytes:
        try:
            line = self._lines.readline()
        except EOFError as error:
            raise damaged("it is cut off") from error
        except (OSError, zlib.error) as error:
            raise damaged("it cannot be unpacked") from error
        if not line.endswith(b"\n"):
            raise damaged("it is cut off")
        return line


def _told(value: Any) -> Any:
    """As JSON can tell it. Bytes are mostly text, and shrink as such."""
    if isinstance(value, (bytes, memoryview)):
        data = bytes(value)
        try:
            return {"text": data.decode()}
        except UnicodeDecodeError:
            return {"hex": data.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _value(told: Any) -> Any:
    match told:
        case {"text": str(text)}:
            return text.encode()
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
        case {"float": str(number)}:
            return float(number)
        case dict() | list():
            raise ValueError("no value of a column")
    return told


def _row(line: bytes, table: Table) -> dict[str, Any]:
    told = _parsed(line)
    if not isinstance(told, list) or len(told) != len(table.columns):
        raise damaged("a row is none")
    try:
        return dict(zip(table.columns, map(_value, told), strict=True))
    except ValueError as error:
        raise damaged("a row is none") from error


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError as error:
        raise damaged("a line is no JSON") from error


def _header(told: Mapping[str, Any]) -> Header:
    try:
        tables = tuple(
            Table(str(each["name"]), tuple(map(str, each["columns"])), int(each["rows"])) for each in told["tables"]
        )
        return Header(str(told["schema"]), str(told["tandem"]), float(told["made_at"]), tables)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged("its first line is incomplete") from error


def _foreign() -> InvalidRequest:
    return InvalidRequest("This is no backup of a state store.", hint="`tandem db backup FILE` makes one.")


def damaged(reason: str) -> InvalidRequest:
    """What is told of a file that is not as it was written."""
    return InvalidRequest(f"The backup is damaged: {reason}.", hint="Nothing was restored. Take another copy of it.")
