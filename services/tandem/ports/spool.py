"""Records on the disk, between the answer and the sinks."""

from dataclasses import dataclass
from typing import Protocol

from tandem.domain.record import AnswerRecord


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Behind a record: the number of its segment, and the byte after it."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order they came; `upto` is where the next ones begin, also when all of these were unreadable."""

    records: tuple[AnswerRecord, ...]
    upto: Position


class Spool(Protocol):
    """Each sink reads on from where it was; what all of them have is deleted."""

    async def read(self, sink: str, *, most: int) -> Batch:
        """At most so many records that the sink has not had; none when it had them all."""
        ...

    async def shipped(self, sink: str, upto: Position) -> None:
        """The sink has everything before `upto`; kept through a restart."""
        ...

    async def arrived(self) -> None:
        """Returns once there may be something new since the last `read`."""
        ...
