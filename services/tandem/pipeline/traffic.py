"""Where the traffic to the pools is counted, and how a pool is doing, as seen from outside."""

from dataclasses import dataclass
from typing import Protocol

from tandem.domain.generation import Usage
from tandem.generation.breaker import BreakerState


class TrafficMeter(Protocol):
    """`observe/traffic.py` is one. Pools and reasons come from configuration and code."""

    def entered(self, pool: str, reason: str, waited_s: float) -> None:
        """A request got a slot."""
        ...

    def refused(self, pool: str, reason: str) -> None:
        """It got none: full, down or cap; or had to give it back: preempted."""
        ...

    def forbidden(self) -> None:
        """A residency policy left no pool."""
        ...

    def retried(self, pool: str, reason: str) -> None:
        """Another try, after an error of this code; `refused` when the budget or the time left had none for it."""
        ...

    def spent(self, tenant: str, usage: Usage, cost: float) -> None:
        """What a tenant's request took at a pool, when it leaves that."""
        ...


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """Now. `demand` is what wants this pool: running, waiting, held, or passed on to another for want of room here.

    `background` are those that run in the background.
    """

    pool: str
    limit: int
    running: int
    waiting: int
    held: int
    demand: int
    spent_tokens: int
    spent_cost: float
    breakers: tuple[BreakerState, ...]
    background: int = 0
