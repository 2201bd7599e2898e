"""What could not be read, put aside for people to look at: bounded, told of once."""

import contextlib
import logging
from pathlib import Path

from tandem.adapters.spool.meter import SpoolMeter
from tandem.adapters.spool.segments import Segment

_log = logging.getLogger("tandem.monitor")
_MOST_BYTES = 64_000_000


class Quarantine:
    """Any thread may add to it."""

    def __init__(self, folder: Path, meter: SpoolMeter) -> None:
        self._folder = folder
        self._meter = meter
        self._known: set[str] = set()

    def add(self, segment: Segment, start: int, end: int, reason: str) -> None:
        """These bytes of the segment; each sink comes across them, the first one counts."""
        name = f"{segment.number:019d}-{start}.{reason}"
        path = self._folder / name
        if name in self._known or path.exists():
            return
        self._known.add(name)
        self._meter.damaged(reason)
        _log.warning("%d bytes of %s cannot be read (%s); the rest is shipped.", end - start, segment.path.name, reason)
        with contextlib.suppress(OSError):
            self._keep(segment.path, path, start, end)

    def _keep(self, segment: Path, path: Path, start: int, end: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = sum(each.stat().st_size for each in self._folder.iterdir())
        if kept + end - start > _MOST_BYTES:
            return
        with segment.open("rb") as file:
            file.seek(start)
            path.write_bytes(file.read(end - start))
