"""What tenants have used, counted in this process alone."""

from collections.abc import Sequence

from tandem.admission.bucket import WINDOW_S, Bucket
from tandem.domain.quota import Level
from tandem.ports.clock import Clock
from tandem.ports.quotas import Entry, Lease, Limits, Reserved


class MemoryQuotas:
    """`ports/quotas.py` for one process. What is full again is forgotten, so memory follows the active tenants."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: dict[str, Bucket] = {}
        self._tokens: dict[str, Bucket] = {}
        self._running: dict[str, dict[str, float]] = {}
        self._swept_s = clock.monotonic_s()

    async def enter(self, lease: Lease, limits: Limits, lease_s: float) -> Entry:
        """See the port."""
        now_s = self._clock.monotonic_s()
        self._sweep(now_s)
        requests = _bucket(self._requests, lease.tenant, limits.requests_per_minute, now_s)
        tokens = _bucket(self._tokens, lease.tenant, limits.tokens_per_minute, now_s)
        levels = tokens.level() if tokens else None
        running = self._living(lease.tenant, now_s)
        if requests is not None and (wait_s := requests.wait_s(1)) > 0:
            return Entry("requests", wait_s, requests.level(), levels)
        if limits.concurrency is not None:
            if len(running) >= limits.concurrency:
                return Entry("concurrency", 0.0, requests.level() if requests else None, levels)
            running[lease.id] = now_s + lease_s
            self._running[lease.tenant] = running
        if requests is not None:
            requests = self._requests[lease.tenant] = requests.take(1)
        return Entry(None, 0.0, requests.level() if requests else None, levels)

    async def leave(self, lease: Lease) -> None:
        """See the port."""
        self._running.get(lease.tenant, {}).pop(lease.id, None)

    async def renew(self, leases: Sequence[Lease], lease_s: float) -> None:
        """See the port."""
        now_s = self._clock.monotonic_s()
        for lease in leases:
            running = self._living(lease.tenant, now_s)
            if lease.id in running:
                running[lease.id] = now_s + lease_s

    async def reserve(self, tenant: str, per_minute: int, tokens: int) -> Reserved:
        """See the port."""
        bucket = _known(self._tokens, tenant, per_minute, self._clock.monotonic_s())
        wait_s = bucket.wait_s(tokens)
        if wait_s > 0:
            return Reserved(granted=False, wait_s=wait_s, level=bucket.level())
        self._tokens[tenant] = bucket.take(tokens)
        return Reserved(granted=True, wait_s=0.0, level=self._tokens[tenant].level())

    async def settle(self, tenant: str, per_minute: int, back: int) -> Level:
        """See the port."""
        bucket = _known(self._tokens, tenant, per_minute, self._clock.monotonic_s())
        self._tokens[tenant] = bucket.give(back) if back >= 0 else bucket.take(-back)
        return self._tokens[tenant].level()

    async def ping(self) -> None:
        """See the port."""

    def _living(self, tenant: str, now_s: float) -> dict[str, float]:
        running = self._running.get(tenant, {})
        for id_ in [id_ for id_, until_s in running.items() if until_s <= now_s]:
            del running[id_]
        return running

    def _sweep(self, now_s: float) -> None:
        if now_s - self._swept_s < WINDOW_S:
            return
        self._swept_s = now_s
        for buckets in (self._requests, self._tokens):
            for tenant in [name for name, bucket in buckets.items() if bucket.at(now_s).used == 0]:
                del buckets[tenant]
        for tenant in [name for name in self._running if not self._living(name, now_s)]:
            del self._running[tenant]


def _bucket(buckets: dict[str, Bucket], tenant: str, limit: int | None, now_s: float) -> Bucket | None:
    return None if limit is None else _known(buckets, tenant, limit, now_s)


def _known(buckets: dict[str, Bucket], tenant: str, limit: int, now_s: float) -> Bucket:
    found = buckets.get(tenant)
    return Bucket(limit, 0.0, now_s) if found is None else found.limited(limit).at(now_s)
