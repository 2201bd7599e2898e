"""The sinks' side of a spool: what is new from memory, what is older from the disk."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tandem.adapters.spool.cursors import Cursor
from tandem.adapters.spool.encoding import Unreadable, decoded
from tandem.adapters.spool.frames import Damage
from tandem.adapters.spool.frames import frames as frames_of
from tandem.adapters.spool.meter import SinkLag
from tandem.adapters.spool.quarantine import Quarantine
from tandem.adapters.spool.refused import Refused
from tandem.adapters.spool.segments import Segment, Segments
from tandem.adapters.spool.writing import Entry
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.record import AnswerRecord
from tandem.ports.clock import Clock
from tandem.ports.spool import Batch, Position

# As much of what was written last stays in memory, so that sinks that keep up cause no reading.
_TAIL_BYTES = 4_000_000
_BATCH_BYTES = 1_000_000
# See `writing.py`.
_TURN_S = 0.002
_BREAK_S = 0.001


class Reading:
    """`ports/spool.py`, in the event loop; `cursors` is replaced whole, and may be read by any thread."""

    def __init__(
        self, segments: Segments, cursors: Mapping[str, Cursor], clock: Clock, quarantine: Quarantine, refused: Refused
    ) -> None:
        self._segments = segments
        self._clock = clock
        self._quarantine = quarantine
        self._refused = refused
        self.cursors = dict(cursors)
        self._read: dict[str, Cursor] = {}
        self._behind_since = {sink: cursor.written_at for sink, cursor in cursors.items()}
        self._end = segments.next_number
        self._tail: list[Entry] = []
        self._tail_bytes = 0
        self._news = asyncio.Event()
        self.on_shipped: Callable[[], None] = lambda: None

    def landed(self, entries: Sequence[Entry]) -> None:
        """These are on the disk now."""
        for sink, cursor in self.cursors.items():
            if cursor.number >= self._end:
                self._behind_since[sink] = entries[0].written_at
        self._end = entries[-1].number + 1
        self._tail += entries
        self._tail_bytes += sum(entry.end - entry.start for entry in entries)
        if self._tail_bytes > _TAIL_BYTES:
            self._forget(self._tail[len(self._tail) // 2].number)
        self._news.set()
        self._news = asyncio.Event()

    async def read(self, sink: str, *, most: int) -> Batch:
        """See the port; a batch has about a megabyte at most."""
        cursor, end = self.cursors[sink], self._end
        if cursor.number >= end:
            self._read[sink] = cursor
            return Batch((), cursor.position)
        if self._tail and cursor.number >= self._tail[0].number:
            records, after = self._remembered(cursor, most)
        else:
            older = _Older(self._quarantine, self._segments, end)
            try:
                records, after = await asyncio.to_thread(older.read, cursor, most)
            except OSError as error:
                raise UpstreamUnavailable(f"The spool cannot be read: {error.strerror}.") from error
        self._read[sink] = after
        return Batch(tuple(records), after.position, cut=len(records) < most and after.number < end)

    async def shipped(self, sink: str, upto: Position) -> None:
        """See the port; the thread writes it down."""
        after = self._read.get(sink)
        if after is None or after.position != upto:
            raise ValueError("only what was read can have been shipped")
        self.cursors = {**self.cursors, sink: after}
        self._behind_since[sink] = after.written_at
        self._forget(min(cursor.number for cursor in self.cursors.values()))
        self.on_shipped()

    async def refuse(self, sink: str, record: AnswerRecord, reason: str) -> None:
        """See the port."""
        await asyncio.to_thread(self._refused.add, sink, record, reason)

    async def arrived(self, sink: str, *, records: int = 1) -> None:
        """See the port."""
        while self._end - self.cursors[sink].number < records:
            await self._news.wait()

    @property
    def waiting(self) -> int:
        """Records that some sink has not got."""
        return self._end - min((cursor.number for cursor in self.cursors.values()), default=self._end)

    def lags(self) -> tuple[SinkLag, ...]:
        """Of each sink. A clock that was set back makes nothing negative."""
        now = self._clock.epoch_s()
        return tuple(
            SinkLag(sink, behind, max(0.0, now - self._since(sink)) if behind else 0.0)
            for sink, behind in ((sink, max(0, self._end - at.number)) for sink, at in self.cursors.items())
        )

    def _since(self, sink: str) -> float:
        known = self._segments.known
        return self._behind_since[sink] or (known[0].began_at if known else self._clock.epoch_s())

    def _remembered(self, cursor: Cursor, most: int) -> tuple[list[AnswerRecord], Cursor]:
        at = bisect_left(self._tail, cursor.number, key=lambda entry: entry.number)
        records: list[AnswerRecord] = []
        size = 0
        for entry in self._tail[at : at + most]:
            size += entry.end - entry.start
            if records and size > _BATCH_BYTES:
                break
            records.append(entry.record)
            cursor = Cursor(entry.segment, entry.end, entry.number + 1, entry.written_at)
        return records, cursor

    def _forget(self, before: int) -> None:
        """What has a lower number is not kept in memory any more."""
        gone = bisect_left(self._tail, before, key=lambda entry: entry.number)
        self._tail_bytes -= sum(entry.end - entry.start for entry in self._tail[:gone])
        del self._tail[:gone]


@dataclass(frozen=True, slots=True)
class _Older:
    """Reads segments, in a thread of its own; `end` is the number behind all records that there are."""

    quarantine: Quarantine
    segments: Segments
    end: int

    def read(self, cursor: Cursor, most: int) -> tuple[list[AnswerRecord], Cursor]:
        records: list[AnswerRecord] = []
        for segment in self.segments.known:
            if segment.number < cursor.segment:
                continue
            start = cursor.offset if segment.number == cursor.segment else 0
            cursor = self._read(segment, Cursor(segment.number, start, cursor.number, cursor.written_at), most, records)
            if len(records) >= most or cursor.offset < segment.size:
                return records, cursor
        return records, Cursor(cursor.segment, cursor.offset, max(cursor.number, self.end), cursor.written_at)

    def _read(self, segment: Segment, cursor: Cursor, most: int, records: list[AnswerRecord]) -> Cursor:
        size, turn_s = 0, time.perf_counter()
        try:
            file = segment.path.open("rb")
        except FileNotFoundError:
            # The room was needed.
            return Cursor(segment.number, segment.size, cursor.number, cursor.written_at)
        with file:
            for piece in frames_of(file, cursor.offset, segment.size):
                number, written_at = cursor.number, cursor.written_at
                if isinstance(piece, Damage):
                    self.quarantine.add(segment, piece.start, piece.end, piece.reason)
                else:
                    number, written_at = piece.number + 1, piece.written_at
                    try:
                        records.append(decoded(piece.text))
                    except Unreadable:
                        self.quarantine.add(segment, piece.start, piece.end, "unknown")
                size += piece.end - piece.start
                cursor = Cursor(segment.number, piece.end, number, written_at)
                if len(records) >= most or size > _BATCH_BYTES:
                    break
                if time.perf_counter() - turn_s > _TURN_S:
                    time.sleep(_BREAK_S)  # noqa: TID251 - in a thread of its own
                    turn_s = time.perf_counter()
        return cursor
