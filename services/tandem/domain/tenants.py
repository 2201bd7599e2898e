"""For whom a request runs: what a tenant may use, how much it counts, and where its data may go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Priority(IntEnum):
    """Bands of the queue; a higher one goes first."""

    low = 0
    normal = 1
    high = 2


@dataclass(frozen=True, slots=True)
class Tenant:
    """`weight` is the share in its band, quotas are unlimited when None, `regions` None means anywhere."""

    name: str
    priority: Priority = Priority.normal
    weight: float = 1.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    regions: frozenset[str] | None = None

    @property
    def limited(self) -> bool:
        """True when any quota is set."""
        return any(quota is not None for quota in (self.requests_per_minute, self.tokens_per_minute, self.concurrency))


@dataclass(frozen=True, slots=True)
class Tenants:
    """The configured tenants; whoever is not among them gets what `default` says, under its own name."""

    known: Mapping[str, Tenant] = field(default_factory=dict)
    default: Tenant = Tenant("default")

    def of(self, name: str) -> Tenant:
        """The tenant of that name."""
        found = self.known.get(name)
        if found is not None:
            return found
        usual = self.default
        # `replace` takes several times as long, and every request comes by here.
        return Tenant(
            name,
            usual.priority,
            usual.weight,
            usual.requests_per_minute,
            usual.tokens_per_minute,
            usual.concurrency,
            usual.regions,
        )
