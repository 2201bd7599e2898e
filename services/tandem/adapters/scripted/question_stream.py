"""A stream of questions in memory: members share the partitions, answers and what is done change together."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from tandem.ports.question_stream import Headers, Lost, Posed, Reply

_POLL_S = 0.005


class ScriptedQuestions:
    """`ports/question_stream.py` without a broker. `told` are the published answers in order; `faults` are raised first."""

    def __init__(self, partitions: int = 1, topic: str = "questions") -> None:
        self.topic = topic
        self.told: list[Reply] = []
        self.faults: list[Exception] = []
        self.done = dict.fromkeys(range(partitions), 0)
        self.members: list[_Member] = []
        self._records: dict[int, list[Posed]] = {each: [] for each in range(partitions)}

    def ask(self, *bodies: bytes | None, partition: int = 0, key: bytes | None = None, headers: Headers = ()) -> None:
        """As a producer would."""
        records = self._records[partition]
        for body in bodies:
            records.append(Posed(self.topic, partition, len(records), body, key, headers))

    @asynccontextmanager
    async def open(self, lost: Lost) -> AsyncIterator["_Member"]:
        """See the port."""
        member = _Member(self, lost)
        self.members.append(member)
        self._share()
        try:
            yield member
        finally:
            self.members.remove(member)
            self._share()

    def _share(self) -> None:
        for number, member in enumerate(self.members):
            member.own({each for each in self.done if each % len(self.members) == number})

    def records(self, partition: int) -> Sequence[Posed]:
        """All that were ever asked there."""
        return self._records[partition]


class _Member:
    def __init__(self, stream: ScriptedQuestions, lost: Lost) -> None:
        self._stream = stream
        self._lost = lost
        self._next: dict[int, int] = {}

    @property
    def behind(self) -> int:
        """See the port."""
        return sum(len(self._stream.records(each)) - self._stream.done[each] for each in self._next)

    def own(self, partitions: Collection[int]) -> None:
        """From now on these."""
        if gone := [each for each in self._next if each not in partitions]:
            self._next = {each: at for each, at in self._next.items() if each in partitions}
            self._lost(gone)
        for each in partitions:
            self._next.setdefault(each, self._stream.done[each])

    async def take(self, most: int, full: Collection[int] = ()) -> Sequence[Posed]:
        """See the port."""
        self._fail()
        taken: list[Posed] = []
        for partition in self._next:
            if partition not in full:
                at = self._next[partition]
                found = self._stream.records(partition)[at : at + most - len(taken)]
                self._next[partition] += len(found)
                taken += found
        await asyncio.sleep(0 if taken else _POLL_S)
        return taken

    async def publish(self, partition: int, replies: Sequence[Reply]) -> bool:
        """See the port."""
        self._fail()
        if partition not in self._next:
            return False
        self._stream.told += replies
        self._stream.done[partition] = replies[-1].posed.position + 1
        await asyncio.sleep(0)
        return True

    def _fail(self) -> None:
        if self._stream.faults:
            raise self._stream.faults.pop(0)
