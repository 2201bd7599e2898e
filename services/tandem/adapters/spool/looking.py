"""A spool as it lies on the disk, for people: also while a process writes to it, and after one that died."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import orjson

from tandem.adapters.spool.cursors import CursorFiles
from tandem.adapters.spool.segments import Segments
from tandem.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class SinkState:
    """How far a sink was when that was last written down, which is once a second; `refused` counts what was put aside."""

    sink: str
    waiting: int
    refused: int


@dataclass(frozen=True, slots=True)
class SpoolState:
    """`next_number` is the number that the next record gets; `quarantined` counts pieces that could not be read."""

    folder: str
    segments: int
    bytes: int
    next_number: int
    quarantined: int
    sinks: tuple[SinkState, ...]


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """One that a sink will never take; `record` is as it would have been shipped."""

    sink: str
    refused_at: float
    reason: str
    record: dict[str, object]


def look(folder: Path) -> SpoolState:
    """Changes nothing. Raises `ConfigurationError` where there is no spool, or none that may be read."""
    try:
        # It fails now where there is none, or where it may not be read.
        next(folder.iterdir(), None)
        files = CursorFiles(folder / "cursors")
        segments = Segments(folder / "segments", segment_bytes=1, first_number=files.highest())
        segments.look()
        refused = {name: sum(1 for _ in _lines(folder, name)) for name in _names(folder / "refused", ".jsonl")}
        names = sorted({*_names(folder / "cursors", ".json"), *refused})
        return SpoolState(
            str(folder),
            len(segments.known),
            segments.size,
            segments.next_number,
            len(list((folder / "quarantine").glob("*"))),
            tuple(
                SinkState(name, max(0, segments.next_number - files.load(name).number), refused.get(name, 0))
                for name in names
            ),
        )
    except OSError as error:
        raise ConfigurationError(
            f"There is no spool at {folder} that can be read: {error.strerror}.",
            hint="It lies in monitor.spool.dir, or data_dir/monitor, of the process that answers.",
        ) from error


def refused_records(folder: Path, sink: str | None = None) -> Iterator[RefusedRecord]:
    """Oldest first for each sink, of one or of all. A line that was cut is left out."""
    for name in [sink] if sink else sorted(_names(folder / "refused", ".jsonl")):
        for line in _lines(folder, name):
            try:
                told = orjson.loads(line)
                yield RefusedRecord(name, float(told["refused_at"]), str(told["reason"]), dict(told["record"]))
            except (ValueError, TypeError, KeyError):
                continue


def _names(folder: Path, suffix: str) -> set[str]:
    return {unquote(path.name.removesuffix(suffix).removesuffix(".older")) for path in folder.glob(f"*{suffix}")}


def _lines(folder: Path, sink: str) -> Iterator[bytes]:
    for suffix in (".older.jsonl", ".jsonl"):
        path = folder / "refused" / f"{quote(sink, safe='')}{suffix}"
        if path.exists():
            with path.open("rb") as file:
                yield from file
