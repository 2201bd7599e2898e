"""How far each sink has come, in a small file for each."""

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import orjson

from tandem.ports.spool import Position


@dataclass(frozen=True, slots=True)
class Cursor:
    """Of the next record to ship: where it begins, its number, and when the one before it was written (0: none was)."""

    segment: int = 0
    offset: int = 0
    number: int = 0
    written_at: float = 0.0

    @property
    def position(self) -> Position:
        """Where to read on."""
        return Position(self.segment, self.offset)


class CursorFiles:
    """One file a sink; a new one replaces the old one whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, sink: str) -> Cursor:
        """From the beginning for a sink that has none, or whose file cannot be read: records come again rather than never."""
        return _read(self._path(sink))

    def highest(self) -> int:
        """The highest number that any sink has come to, also those of earlier settings."""
        return max((_read(path).number for path in self._folder.glob("*.json")), default=0)

    def save(self, sink: str, cursor: Cursor) -> None:
        """Raises `OSError`; then the earlier one stands."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(sink)
        beside = path.with_suffix(".new")
        beside.write_bytes(orjson.dumps(asdict(cursor)))
        beside.replace(path)

    def _path(self, sink: str) -> Path:
        return self._folder / f"{quote(sink, safe='')}.json"


def _read(path: Path) -> Cursor:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        told = orjson.loads(path.read_bytes())
        return Cursor(int(told["segment"]), int(told["offset"]), int(told["number"]), float(told["written_at"]))
    return Cursor()
