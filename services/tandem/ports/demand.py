"""What other processes want of the pools that all share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Told:
    """What one process told: slots that people hold or wait for, by pool. `turn` changes whenever it tells anew."""

    turn: int
    wanted: Mapping[str, int] = field(default_factory=dict)


class SharedDemand(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now."""

    async def tell(self, process: str, told: Told) -> None:
        """In place of whatever this process told before."""
        ...

    async def all(self) -> Mapping[str, Told]:
        """What each process told last, however long ago."""
        ...

    async def drop(self, process: str) -> None:
        """It tells nothing any more; one that told nothing stays so."""
        ...
