"""Records on the disk, between the answer and the sinks."""

from dataclasses import dataclass
from typing import Protocol

from tandem.domain.record import AnswerRecord


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a record begins: the number of its segment, and the byte in it."""

    segment: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order they came; `upto` is where the next ones begin, also when all of these were unreadable.

    `cut`: there were more, fewer than asked for were read only because of their size.
    """

    records: tuple[AnswerRecord, ...]
    upto: Position
    cut: bool = False


class Spool(Protocol):
    """Each sink reads on from where it was; what all of them have is deleted."""

    async def read(self, sink: str, *, most: int) -> Batch:
        """At most so many records that the sink has not had; none, and `upto` where it stands, when it had them all."""
        ...

    async def shipped(self, sink: str, upto: Position) -> None:
        """The sink has everything before `upto`, kept through a restart; after a crash the last of it may come again."""
        ...

    async def refuse(self, sink: str, record: AnswerRecord, reason: str) -> None:
        """The sink will never take this one: it is put aside for people to look at."""
        ...

    async def arrived(self, sink: str, *, records: int = 1) -> None:
        """Returns once there are so many that the sink has not had."""
        ...
