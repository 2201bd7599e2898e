"""The segments of a spool: files that are only ever appended to, each named by the number of its first record."""

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tandem.adapters.spool.frames import Frame, frames
from tandem.ports.spool import Position

_NAME = re.compile(r"(\d{19})\.seg")

# Nothing that was shipped lies there for much longer, however little comes.
_LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class Segment:
    """`number` is its first record's; `began_at` when that was written, in seconds since 1970."""

    number: int
    path: Path
    size: int
    began_at: float


class Segments:
    """Used by one thread, but for `known`, which is replaced whole and may be read by any."""

    def __init__(self, folder: Path, *, segment_bytes: int, first_number: int = 0) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._file: int | None = None
        # Oldest first; while a file is open the last one is it.
        self.known: tuple[Segment, ...] = ()
        self.next_number = first_number

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(segment.size for segment in self.known)

    def open(self) -> None:
        """Finds what an earlier process left; that is never appended to. Raises `OSError`."""
        self.look()
        for path in self._folder.glob("*.seg"):
            if _NAME.fullmatch(path.name) and not path.stat().st_size:
                path.unlink()

    def look(self) -> None:
        """What there is; nothing is changed. Raises `OSError`."""
        found = []
        for path in sorted(self._folder.glob("*.seg")):
            match = _NAME.fullmatch(path.name)
            stat = path.stat()
            if match is not None and stat.st_size:
                found.append(Segment(int(match[1]), path, stat.st_size, stat.st_mtime))
        self.known = tuple(map(_begun, found))
        if found:
            self.next_number = max(self.next_number, _after(found[-1]))

    def append(self, blob: bytes, count: int, written_at: float) -> Position:
        """Writes `count` records and tells where they begin. Raises `OSError`; then none of them is there."""
        if self._file is None or self._is_done(self.known[-1], written_at):
            self._begin(written_at)
        active = self.known[-1]
        try:
            _write(self._descriptor, blob)
        except OSError:
            self._take_back(active.size)
            raise
        self.known = (*self.known[:-1], replace(active, size=active.size + len(blob)))
        self.next_number += count
        return Position(active.number, active.size)

    def sync(self) -> None:
        """What was written is on the disk when this returns. Raises `OSError`."""
        if self._file is not None:
            os.fsync(self._file)

    def delete(self, segments: Sequence[Segment]) -> None:
        """Frees the room of these; the one that is written to stays. Raises `OSError`."""
        for segment in segments:
            if self._file is not None and segment.number == self.known[-1].number:
                continue
            segment.path.unlink(missing_ok=True)
            self.known = tuple(each for each in self.known if each.number != segment.number)

    def close(self) -> None:
        """Nothing is appended any more."""
        if self._file is not None:
            descriptor, self._file = self._file, None
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _is_done(self, active: Segment, now: float) -> bool:
        """Full, or begun a while ago: what sinks have is deleted by whole segments. A clock that was set back ends it, too."""
        return active.size >= self._segment_bytes or not 0 <= now - active.began_at < _LONGEST_S

    @property
    def _descriptor(self) -> int:
        if self._file is None:
            raise OSError("no segment is open")
        return self._file

    def _begin(self, written_at: float) -> None:
        if self._file is not None:
            # Nobody syncs it later.
            os.fsync(self._file)
            self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self.next_number:019d}.seg"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.known = (*self.known, Segment(self.next_number, path, 0, written_at))
        # The file's name is on the disk as well, then.
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _take_back(self, size: int) -> None:
        """Half a record was written, perhaps; the next ones go to a segment of their own."""
        active = self.known[-1]
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, size)
        self.close()
        if size == 0:
            self.known = self.known[:-1]
            with contextlib.suppress(OSError):
                active.path.unlink()
            if active.path.exists():
                # Its number is taken, although nothing is in it.
                self.next_number += 1


def _write(descriptor: int, blob: bytes) -> None:
    left = memoryview(blob)
    while left:
        left = left[os.write(descriptor, left) :]


def _begun(segment: Segment) -> Segment:
    """When its first readable record was written."""
    with segment.path.open("rb") as file:
        for piece in frames(file, 0, segment.size):
            if isinstance(piece, Frame):
                return replace(segment, began_at=piece.written_at)
    return segment


def _after(segment: Segment) -> int:
    """The number after its last record."""
    with segment.path.open("rb") as file:
        pieces = frames(file, 0, segment.size)
        return 1 + max([segment.number, *(piece.number for piece in pieces if isinstance(piece, Frame))])
