"""Where it is counted what tenants have used, for one process or for all replicas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tandem.domain.quota import Level


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's quotas; None is unlimited. A window of a minute may be used up at once, then it refills steadily."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """One running request of a tenant; `id` is unique over all replicas."""

    tenant: str
    id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Whether a request may begin. When `refused` says which quota is used up, nothing was taken.

    `wait_s` is when the request quota would let it pass; for concurrency nobody knows, so it is 0.
    """

    refused: Literal["requests", "concurrency"] | None
    wait_s: float
    requests: Level | None
    tokens: Level | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """Whether the tokens were there; otherwise nothing was taken, and they would be after `wait_s`."""

    granted: bool
    wait_s: float
    level: Level


class QuotaStore(Protocol):
    """Every call is atomic and takes one round trip. Raises `UpstreamUnavailable` when the store cannot be reached."""

    async def enter(self, lease: Lease, limits: Limits, lease_s: float) -> Entry:
        """Takes one request and, with a concurrency limit, a slot for `lease_s` seconds; or takes nothing."""
        ...

    async def leave(self, lease: Lease) -> None:
        """The slot is free. A lease that is unknown or over is none."""
        ...

    async def renew(self, leases: Sequence[Lease], lease_s: float) -> None:
        """Keeps the slots of those that still hold one for `lease_s` seconds from now."""
        ...

    async def reserve(self, tenant: str, per_minute: int, tokens: int) -> Reserved:
        """Takes `tokens` (at most `per_minute`) from the tenant's minute, or nothing."""
        ...

    async def settle(self, tenant: str, per_minute: int, back: int) -> Level:
        """Gives `back` tokens back, never more than the minute holds; a negative number takes more, down to none left."""
        ...

    async def ping(self) -> None:
        """Returns when the store answers."""
        ...
