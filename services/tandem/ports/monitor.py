"""Where every answer is told of when it is over."""

from typing import Protocol

from tandem.domain.record import AnswerRecord


class Recordable(Protocol):
    """An answer that is over. Making its record is left to whoever has the time, any thread may: nothing changes any more."""

    @property
    def key(self) -> tuple[str, str]:
        """The tenant, and the id of the record."""
        ...

    @property
    def size(self) -> int:
        """Bytes that its texts take, about."""
        ...

    def record(self) -> AnswerRecord:
        """The record."""
        ...


class Monitor(Protocol):
    """Takes what is over. It never waits and never raises: what it has no room for it counts and forgets."""

    def take(self, answer: Recordable) -> None:
        """Record this one."""
        ...
