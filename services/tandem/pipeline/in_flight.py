"""Answers whose receipts are not in their store yet, so that one can be asked for as soon as its answer is there."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock

from tandem.domain.record import AnswerRecord
from tandem.ports.monitor import Monitor, Recordable

_MOST = 1_024
_MOST_BYTES = 16_000_000
# A record without texts, about.
_WORDLESS_BYTES = 4_000
# Records are prepared some at a time, a few times a second.
_PATIENCE_S = 2.0


class _Held:
    __slots__ = ("awaited", "record", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.record: AnswerRecord | None = None
        self.awaited: Future[AnswerRecord] | None = None


class InFlight:
    """The newest answers, as many as there is room for, until they have `arrived`: first the ids, then the records.

    It sees records that are `prepared` for the disk, none before. That happens in another thread, hence the lock.
    """

    def __init__(self, *, most: int = _MOST, most_bytes: int = _MOST_BYTES, patience_s: float = _PATIENCE_S) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._patience_s = patience_s
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def expect(self, answer: Recordable) -> None:
        """Its record will come."""
        key, size = answer.key, answer.size
        with self._lock:
            self._drop(key)
            self._held[key] = _Held(size)
            self._bytes += size
            while len(self._held) > self._most or self._bytes > self._most_bytes:
                self._drop(next(iter(self._held)))

    def prepared(self, record: AnswerRecord) -> AnswerRecord:
        """The last step of preparing it: as it is, and shown from now on."""
        with self._lock:
            held = self._held.get((record.asker.tenant, record.id))
            if held is None:
                return record
            held.record, awaited = record, held.awaited
            if not record.content and held.size > _WORDLESS_BYTES:
                self._bytes -= held.size - _WORDLESS_BYTES
                held.size = _WORDLESS_BYTES
        # Who waited may have gone.
        if awaited is not None and awaited.set_running_or_notify_cancel():
            awaited.set_result(record)
        return record

    async def find(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
        """The record, as soon as it is prepared; None, at once, for what is not (or no longer) on its way here."""
        with self._lock:
            held = self._held.get((tenant, receipt_id))
            if held is None or held.record is not None:
                return None if held is None else held.record
            if held.awaited is None:
                held.awaited = Future()
            awaited = held.awaited
        # Others may wait for the same one.
        waiting = asyncio.shield(asyncio.wrap_future(awaited))
        try:
            return await asyncio.wait_for(waiting, self._patience_s)
        except TimeoutError:
            return None

    def arrived(self, records: Sequence[AnswerRecord]) -> None:
        """The store has them."""
        with self._lock:
            for record in records:
                self._drop((record.asker.tenant, record.id))

    def _drop(self, key: tuple[str, str]) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._bytes -= held.size


class Holding:
    """`ports/monitor.py` before another one: what that takes is expected first."""

    def __init__(self, monitor: Monitor, in_flight: InFlight) -> None:
        self._monitor = monitor
        self._in_flight = in_flight

    def take(self, answer: Recordable) -> None:
        """See the port."""
        self._in_flight.expect(answer)
        self._monitor.take(answer)
