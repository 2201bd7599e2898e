"""What a spool counts."""

from dataclasses import dataclass
from typing import Protocol


class SpoolMeter(Protocol):
    """Told of what becomes of records; any thread may tell."""

    def dropped(self, reason: str, records: int = 1) -> None:
        """They reach no sink any more."""
        ...

    def written(self, records: int) -> None:
        """They are in the spool."""
        ...

    def damaged(self, reason: str) -> None:
        """A piece of the spool could not be read, and was put aside."""
        ...


@dataclass(frozen=True, slots=True)
class SinkLag:
    """What a sink has not got yet; `seconds` since the oldest of it was written."""

    sink: str
    records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SpoolCensus:
    """The spool at one moment: `queued` is not on the disk yet, `records` is, and some sink has not got it."""

    queued: int
    records: int
    bytes: int
    oldest_s: float
    writable: bool
    sinks: tuple[SinkLag, ...]
