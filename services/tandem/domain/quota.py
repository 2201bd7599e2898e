"""How much of a tenant's quotas is left: what its answers tell in their headers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    """One quota now: `limit` a minute, `remaining` at once, full again in `reset_s` seconds if nothing else is taken."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(slots=True)
class Standing:
    """What is known of a tenant's quotas while its request is served; an unlimited quota has no level."""

    requests: Level | None = None
    tokens: Level | None = None
