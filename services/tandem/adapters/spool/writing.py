"""From answers to segments: what the spool's thread does, step by step."""

import errno
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from tandem.adapters.spool.cursors import Cursor, CursorFiles
from tandem.adapters.spool.encoding import encoded
from tandem.adapters.spool.frames import HEAD_BYTES, MOST_BYTES, framed
from tandem.adapters.spool.lock import Lock
from tandem.adapters.spool.meter import SpoolMeter
from tandem.adapters.spool.segments import Segments
from tandem.domain.errors import TandemError
from tandem.domain.record import AnswerRecord
from tandem.pipeline.monitoring import Prepare
from tandem.ports.clock import Clock
from tandem.ports.monitor import Recordable

_log = logging.getLogger("tandem.monitor")
_RETRY_S = 0.1
_LONGEST_RETRY_S = 5.0
# What every sink has is not kept for longer, although its segment has room.
_IDLE_S = 10.0
_SAVE_S = 1.0
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The event loop waits for this thread's turn to end: turns are short, and there are breaks between them. Each break costs
# both about as much as four records, and much shorter turns than a token takes help nobody.
_TURN_S = 0.002
_BREAK_S = 0.001


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How a spool is kept; see the settings of the same names."""

    fsync: Literal["always", "interval", "never"] = "interval"
    fsync_interval_s: float = 1.0
    segment_bytes: int = 16_000_000
    max_bytes: int = 1_000_000_000
    on_full: Literal["drop_oldest", "drop_new"] = "drop_oldest"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that is in a segment; `start` and `end` are bytes of it."""

    number: int
    written_at: float
    segment: int
    start: int
    end: int
    record: AnswerRecord


class Writer:
    """Everything here is called by one thread; `trouble` may be read by any."""

    def __init__(
        self,
        folder: Path,
        upkeep: Upkeep,
        clock: Clock,
        meter: SpoolMeter,
        *,
        prepare: Sequence[Prepare] = (),
        sinks: Sequence[str] = (),
    ) -> None:
        self._upkeep = upkeep
        self._clock = clock
        self._meter = meter
        self._prepare = tuple(prepare)
        self._lock = Lock(folder)
        self._files = CursorFiles(folder / "cursors")
        self.loaded: dict[str, Cursor] = {sink: self._files.load(sink) for sink in sinks}
        self.segments = Segments(
            folder / "segments",
            segment_bytes=upkeep.segment_bytes,
            # Numbers go on, although the segments that had them may be gone.
            first_number=self._files.highest(),
        )
        self._saved: dict[str, Cursor] = {}
        self._unsaved_since_s: float | None = None
        self._pending: list[tuple[AnswerRecord, bytes]] = []
        self._opened = False
        self._unsynced_since_s: float | None = None
        self._retry_s = 0.0
        self._retry_at_s = 0.0
        # When it was first seen that every sink has everything.
        self._idle_since_s: float | None = None
        # Kinds of errors that the log knows.
        self._told: set[type[Exception]] = set()
        # Why nothing can be written at the moment.
        self.trouble: str | None = None

    def open(self) -> None:
        """Raises `StoreBusy` and `ConfigurationError`; a disk that takes nothing now may do so later."""
        try:
            self._open()
        except OSError as error:
            self._failed(error)

    def encode(self, answers: Sequence[Recordable], *, paced: bool = True) -> None:
        """Their records are next to be written. What cannot be recorded is counted."""
        began_s = time.perf_counter()
        for answer in answers:
            self._encode(answer)
            if paced and time.perf_counter() - began_s > _TURN_S:
                time.sleep(_BREAK_S)  # noqa: TID251 - in a thread of its own
                began_s = time.perf_counter()

    @property
    def pending(self) -> int:
        """Records that are encoded, and not written yet."""
        return len(self._pending)

    def store(self, cursors: Mapping[str, Cursor], *, anyway: bool = False) -> list[Entry] | None:
        """Writes what is pending. None: not now, the disk took nothing; `anyway` tries even before its time."""
        if not self._pending:
            return []
        if self.trouble is not None and not anyway and self._clock.monotonic_s() < self._retry_at_s:
            return None
        try:
            self._open()
            if not self._room(sum(len(text) + HEAD_BYTES for _, text in self._pending), cursors):
                self._meter.dropped("spool_full", self.forget())
                return []
            return self._write()
        except (OSError, TandemError) as error:
            self._failed(error)
            return None

    def tend(self, cursors: Mapping[str, Cursor], *, sync: bool = False, last: bool = False) -> None:
        """What is due, `last` for this process: syncing, remembering how far the sinks are, deleting what all of them have."""
        try:
            self._sync(at_once=sync)
            self._save(cursors, at_once=sync)
            self._clear(cursors, at_once=last)
        except OSError as error:
            self._failed(error)
        else:
            if not self._pending:
                self.trouble = None

    def due_s(self) -> float | None:
        """Seconds until there is something to do although nothing comes in; None: nothing."""
        now_s = self._clock.monotonic_s()
        waits = []
        if self._pending or self.trouble is not None:
            waits.append(self._retry_at_s - now_s)
        if self._unsynced_since_s is not None:
            waits.append(self._unsynced_since_s + self._upkeep.fsync_interval_s - now_s)
        if self._unsaved_since_s is not None:
            waits.append(self._unsaved_since_s + _SAVE_S - now_s)
        if self._idle_since_s is not None:
            waits.append(self._idle_since_s + _IDLE_S - now_s)
        return max(0.0, min(waits)) if waits else None

    def forget(self) -> int:
        """What is pending is not written; so many records."""
        left = len(self._pending)
        self._pending.clear()
        return left

    def close(self) -> None:
        """What could not be written is counted."""
        left = self.forget()
        if left:
            self._meter.dropped(self.trouble or "shutdown", left)
        self.segments.close()
        self._lock.release()

    def _open(self) -> None:
        if not self._opened:
            self._lock.take()
            self.segments.open()
            self._opened = True

    def _encode(self, answer: Recordable) -> None:
        try:
            record = answer.record()
            for step in self._prepare:
                record = step(record)
            text = encoded(record)
        except Exception as error:  # noqa: BLE001 - one record must not cost the others
            # It goes nowhere: what failed may be what takes secrets out. One that fails all the time is told of once.
            if type(error) not in self._told:
                self._told.add(type(error))
                _log.exception("An answer could not be recorded; further ones of this kind are only counted.")
            self._meter.dropped("unencodable")
            return
        if len(text) > min(MOST_BYTES, self._upkeep.max_bytes // 4):
            self._meter.dropped("too_large")
            return
        self._pending.append((record, text))

    def _write(self) -> list[Entry]:
        now = self._clock.epoch_s()
        first = self.segments.next_number
        blobs = [framed(first + i, now, text) for i, (_, text) in enumerate(self._pending)]
        at = self.segments.append(b"".join(blobs), len(blobs), now)
        if self._unsynced_since_s is None and self._upkeep.fsync != "never":
            self._unsynced_since_s = self._clock.monotonic_s()
        entries, start = [], at.offset
        for i, blob in enumerate(blobs):
            end = start + len(blob)
            entries.append(Entry(first + i, now, at.segment, start, end, self._pending[i][0]))
            start = end
        self._pending.clear()
        self._meter.written(len(entries))
        if self.trouble is not None:
            _log.warning("The monitor's spool can be written to again.")
        self.trouble, self._retry_s = None, 0.0
        try:
            self._sync(at_once=self._upkeep.fsync == "always")
        except OSError as error:
            # They are written, and must not be written again.
            self._failed(error)
        return entries

    def _room(self, wanted: int, cursors: Mapping[str, Cursor]) -> bool:
        """False when the spool is full, and what is new is to go."""
        if self.segments.size + wanted <= self._upkeep.max_bytes:
            return True
        if self._upkeep.on_full == "drop_new":
            return False
        slowest = min((cursor.number for cursor in cursors.values()), default=0)
        while self.segments.known and self.segments.size + wanted > self._upkeep.max_bytes:
            oldest = self.segments.known[0]
            if len(self.segments.known) == 1:
                self.segments.close()
            after = self.segments.known[1].number if len(self.segments.known) > 1 else self.segments.next_number
            self.segments.delete([oldest])
            lost = after - max(oldest.number, slowest)
            if lost > 0:
                self._meter.dropped("spool_full", lost)
        return True

    def _save(self, cursors: Mapping[str, Cursor], *, at_once: bool) -> None:
        """Once in a while: what a process that dies has not saved comes again."""
        now_s = self._clock.monotonic_s()
        new = {sink: cursor for sink, cursor in cursors.items() if self._saved.get(sink) != cursor}
        if new and self._unsaved_since_s is None:
            self._unsaved_since_s = now_s
        if self._unsaved_since_s is None or not (at_once or now_s - self._unsaved_since_s >= _SAVE_S):
            return
        self._unsaved_since_s = None
        for sink, cursor in new.items():
            self._files.save(sink, cursor)
            self._saved[sink] = cursor

    def _clear(self, cursors: Mapping[str, Cursor], *, at_once: bool) -> None:
        """Deletes what all sinks have; after a while without anything new, or at the end, the segment that is written to
        as well: what was said does not lie there longer than it must.
        """
        slowest = min((cursor.number for cursor in cursors.values()), default=0)
        known, now_s = self.segments.known, self._clock.monotonic_s()
        self.segments.delete([each for each, following in pairwise(known) if following.number <= slowest])
        if known and slowest >= self.segments.next_number:
            if self._idle_since_s is None and not at_once:
                self._idle_since_s = now_s
            elif at_once or self._idle_since_s is None or now_s - self._idle_since_s >= _IDLE_S:
                self._idle_since_s = None
                self.segments.close()
                self.segments.delete(known[-1:])
        else:
            self._idle_since_s = None

    def _sync(self, *, at_once: bool) -> None:
        since_s = self._unsynced_since_s
        if since_s is None:
            return
        if at_once or self._clock.monotonic_s() - since_s >= self._upkeep.fsync_interval_s:
            # Until it is done, it is to be done.
            self._unsynced_since_s = self._clock.monotonic_s()
            self.segments.sync()
            self._unsynced_since_s = None

    def _failed(self, error: OSError | TandemError) -> None:
        full = isinstance(error, OSError) and error.errno in _NO_ROOM
        if self.trouble is None:
            said = error.strerror if isinstance(error, OSError) else error
            _log.warning("The monitor's spool cannot be written to (%s); answers go on, records wait in memory.", said)
        self.trouble = "disk_full" if full else "disk_error"
        self._retry_s = min(_LONGEST_RETRY_S, max(_RETRY_S, 2 * self._retry_s))
        self._retry_at_s = self._clock.monotonic_s() + self._retry_s
