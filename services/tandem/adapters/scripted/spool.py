"""A spool in memory, for tests of what ships from one."""

import asyncio
from collections import defaultdict

from tandem.domain.record import AnswerRecord
from tandem.ports.spool import Batch, Position


class ScriptedSpool:
    """`ports/spool.py`: what `put` got, in order. `refused` holds what sinks will never take, with the reason.

    No batch has more than `at_once`, as if their size forbade it.
    """

    def __init__(self, at_once: int | None = None) -> None:
        self._at_once = at_once
        self._records: list[AnswerRecord | None] = []
        self._cursors: defaultdict[str, int] = defaultdict(int)
        self._news = asyncio.Event()
        self.refused: list[tuple[str, AnswerRecord, str]] = []

    def put(self, *records: AnswerRecord | None) -> None:
        """These arrived; None stands for a record that cannot be read."""
        self._records += records
        self._news.set()
        self._news = asyncio.Event()

    def reached(self, sink: str) -> int:
        """Records that the sink has."""
        return self._cursors[sink]

    async def read(self, sink: str, *, most: int) -> Batch:
        """See the port."""
        start = self._cursors[sink]
        wanted = self._records[start : start + most]
        some = wanted[: self._at_once]
        upto = Position(0, start + len(some))
        return Batch(tuple(record for record in some if record is not None), upto, cut=len(some) < len(wanted))

    async def shipped(self, sink: str, upto: Position) -> None:
        """See the port."""
        self._cursors[sink] = upto.offset

    async def refuse(self, sink: str, record: AnswerRecord, reason: str) -> None:
        """See the port."""
        self.refused.append((sink, record, reason))

    async def arrived(self, sink: str, *, records: int = 1) -> None:
        """See the port."""
        while len(self._records) - self._cursors[sink] < records:
            await self._news.wait()
