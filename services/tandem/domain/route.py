"""Which way a request took to a model, for the answer's record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """`reason`: preferred, sticky, or why the pools before were passed: queue_wait, down, schedule, cap, failed, full.

    `attempts` counts the servers asked, `regions` are those that policy allowed (None: anywhere).
    """

    pool: str = "default"
    region: str = "default"
    reason: str = "preferred"
    attempts: int = 1
    regions: tuple[str, ...] | None = None
