"""Answers whose receipts are not in their store yet, so that one can be asked for as soon as its answer is there."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from tandem.domain.record import AnswerRecord
from tandem.ports.monitor import Monitor, Recordable

Prepare = Callable[[AnswerRecord], AnswerRecord]
_MOST = 256
_MOST_BYTES = 16_000_000


class InFlight:
    """A monitor before another one: the newest answers, as many as there is room for, until they are `arrived`.

    What is shown went through `prepare` first, as everything does that is written.
    """

    def __init__(self, monitor: Monitor, prepare: Prepare, *, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        self._monitor = monitor
        self._prepare = prepare
        self._most = most
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[str, str], tuple[Recordable, int]] = OrderedDict()
        self._bytes = 0

    def take(self, answer: Recordable) -> None:
        """See the port."""
        self._monitor.take(answer)
        key, size = answer.key, answer.size
        self._drop(key)
        self._held[key] = answer, size
        self._bytes += size
        while len(self._held) > self._most or self._bytes > self._most_bytes:
            self._drop(next(iter(self._held)))

    async def find(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
        """The record, as it will be stored; None when it is not held (any more)."""
        held = self._held.get((tenant, receipt_id))
        return None if held is None else await asyncio.to_thread(self._prepared, held[0])

    def arrived(self, records: Sequence[AnswerRecord]) -> None:
        """The store has them."""
        for record in records:
            self._drop((record.asker.tenant, record.id))

    def _prepared(self, answer: Recordable) -> AnswerRecord:
        return self._prepare(answer.record())

    def _drop(self, key: tuple[str, str]) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._bytes -= held[1]
