"""Spools for tests: on a disk that obeys, and on one that does not."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tandem.adapters.spool.reading import Reading
from tandem.adapters.spool.spooling import Room, Spooling, spooling
from tandem.adapters.spool.writing import Upkeep
from tandem.app.clock import SystemClock
from tandem.domain.record import AnswerRecord
from tandem.pipeline.monitoring import Prepare
from tandem.ports.clock import Clock

NOTHING: Counter[str] = Counter()


@dataclass(frozen=True, slots=True)
class Made:
    """A `Recordable` whose record there is already."""

    made: AnswerRecord
    size: int = 1_000

    @property
    def key(self) -> tuple[str, str]:
        return self.made.asker.tenant, self.made.id

    def record(self) -> AnswerRecord:
        return self.made


class SpoolCounts:
    """`SpoolMeter` that keeps what it is told: `lost` by reason, `damage` by kind."""

    def __init__(self) -> None:
        self.recorded = 0
        self.lost: Counter[str] = Counter()
        self.damage: Counter[str] = Counter()

    def written(self, records: int) -> None:
        self.recorded += records

    def dropped(self, reason: str, records: int = 1) -> None:
        self.lost[reason] += records

    def damaged(self, reason: str) -> None:
        self.damage[reason] += 1


@asynccontextmanager
async def spooled_at(
    folder: Path,
    sinks: Sequence[str],
    counts: "SpoolCounts",
    *,
    upkeep: Upkeep | None = None,
    clock: Clock | None = None,
    prepare: Sequence[Prepare] = (),
    room: Room | None = None,
) -> AsyncIterator[tuple[Spooling, Reading]]:
    """Each record is written at once."""
    async with spooling(
        folder,
        upkeep or Upkeep(fsync="always"),
        clock or SystemClock(),
        counts,
        sinks=sinks,
        prepare=prepare,
        room=room,
    ) as made:
        yield made
