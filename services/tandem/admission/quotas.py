"""What a tenant may use: requests and tokens by the minute, and requests at the same time, over all replicas."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal, Protocol, TypeVar

from tandem.admission.store_watch import StoreWatch
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, RateLimited, UpstreamUnavailable
from tandem.domain.quota import Standing
from tandem.domain.tenants import Tenant, Tenants
from tandem.ports.clock import Clock
from tandem.ports.quotas import Entry, Lease, Limits, QuotaStore, Reserved

_UNKNOWN_WAIT_S = 1.0
_REMEMBERED_TENANTS = 1000
# Weight of the newest request in the mean of how long a tenant's requests take.
_NEWEST = 0.2

T = TypeVar("T")


class QuotaMeter(Protocol):
    """Where refusals are counted; `observe/metrics.py` is one."""

    def quota_refused(self, quota: Literal["requests", "tokens", "concurrency"]) -> None:
        """A request was over this quota of its tenant."""
        ...


class Reservation:
    """Tokens taken beforehand. Until something is told the answer has not begun, and all of them go back.

    `prompt_tokens` is an estimate of what the model read, for answers that are left before it tells. `aside` are tokens that
    went into something else than the answer.
    """

    __slots__ = ("aside", "prompt_tokens", "tokens", "used")

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.used = 0
        self.aside = 0
        self.prompt_tokens = 0

    def told(self, tokens: int) -> None:
        """So many tokens of the answer came; the prompt was read."""
        self.used = self.prompt_tokens + tokens

    def settle(self, used_tokens: int) -> None:
        """Used in all, by the model's own count; the last word counts when the request ends."""
        self.used = max(0, used_tokens)


class Quotas:
    """The tenants' quotas, counted by the watched store. A tenant without limits costs nothing.

    `lease_s` is how long the slots of a replica that died stay taken.
    """

    def __init__(
        self,
        tenants: Tenants,
        store: StoreWatch,
        clock: Clock,
        *,
        meter: QuotaMeter,
        new_id: Callable[[], str],
        lease_s: float = 30.0,
    ) -> None:
        self.tenants = tenants
        self._store = store
        self._clock = clock
        self._meter = meter
        self._new_id = new_id
        self._lease_s = lease_s
        self._held: dict[Lease, QuotaStore] = {}
        self._durations_s: dict[str, float] = {}
        self._spent: dict[str, tuple[float, Entry, QuotaStore]] = {}

    @asynccontextmanager
    async def request(self, tenant: Tenant, standing: Standing) -> AsyncIterator[None]:
        """One request of the tenant, counted, and running until the context ends. Fills `standing` in either case.

        Raises `RateLimited` with the time at which it would pass, and `UpstreamUnavailable` when the store is lost and
        nothing stands in for it.
        """
        if not tenant.limited:
            yield
            return
        self._refuse_again(tenant, standing)
        lease = Lease(tenant.name, self._new_id())
        entry, store = await self._enter(tenant, lease)
        standing.requests, standing.tokens = entry.requests, entry.tokens
        if entry.refused is not None:
            self._meter.quota_refused(entry.refused)
            if entry.refused == "requests":
                _remember(self._spent, tenant.name, (self._clock.monotonic_s() + entry.wait_s, entry, store))
            raise self._refusal(tenant, entry)
        if tenant.concurrency is None:
            yield
            return
        self._held[lease] = store
        began_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            del self._held[lease]
            self._took(tenant.name, self._clock.monotonic_s() - began_s)
            # What cannot be given back now runs out by itself.
            with contextlib.suppress(UpstreamUnavailable):
                await store.leave(lease)

    @asynccontextmanager
    async def reserved(self, tenant: Tenant, tokens: int, context: RequestContext) -> AsyncIterator[Reservation]:
        """Tokens that the request may need, prompt and answer, until the context ends; then what it did not use goes back.

        Raises `RateLimited` with the time at which they would be there, `InvalidRequest` when the quota is smaller than
        what is asked for, and `UpstreamUnavailable` when the store is lost and nothing stands in for it.
        """
        reservation = Reservation(tokens)
        limit = tenant.tokens_per_minute
        if limit is None:
            yield reservation
            return
        if tokens > limit:
            raise InvalidRequest(
                f"The request may take {tokens} tokens, prompt and answer; the tenant's quota is {limit} a minute.",
                hint="Ask for fewer max_tokens, or send less.",
                param="max_tokens",
            )
        (share_of_limit, taken, reply), store = await self._store.ask(
            lambda store, share: _reserve(store, tenant.name, _shared(limit, share), tokens)
        )
        standing = context.standing or Standing()
        standing.tokens = reply.level
        if not reply.granted:
            self._meter.quota_refused("tokens")
            raise RateLimited(
                f"Tenant {tenant.name} has used up its quota of {share_of_limit} tokens per minute: "
                f"{taken} are asked for, {reply.level.remaining} are left.",
                retry_after_s=reply.wait_s,
            )
        try:
            yield reservation
        finally:
            used = reservation.used + reservation.aside
            if taken != used:
                # What cannot be given back now comes back as the window refills.
                with contextlib.suppress(UpstreamUnavailable):
                    standing.tokens = await store.settle(tenant.name, share_of_limit, taken - used)

    async def keep(self) -> None:
        """Keeps the slots of what runs here. Runs beside the server for as long as it serves."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            for store in set(self._held.values()):
                with contextlib.suppress(UpstreamUnavailable):
                    await store.renew([lease for lease, holder in self._held.items() if holder is store], self._lease_s)

    async def _enter(self, tenant: Tenant, lease: Lease) -> tuple[Entry, QuotaStore]:
        asked = self._store.counting
        try:
            return await self._store.ask(lambda store, share: store.enter(lease, _limits(tenant, share), self._lease_s))
        except asyncio.CancelledError:
            # The store may have got to hear of it all the same.
            if asked is not None and tenant.concurrency is not None:
                with contextlib.suppress(UpstreamUnavailable):
                    await asked.leave(lease)
            raise

    def _refuse_again(self, tenant: Tenant, standing: Standing) -> None:
        """Requests never go back, so who was told to wait need not be looked up before: a storm stays off the store."""
        if (known := self._spent.get(tenant.name)) is None:
            return
        until_s, entry, store = known
        left_s = until_s - self._clock.monotonic_s()
        if left_s <= 0 or store is not self._store.counting:
            del self._spent[tenant.name]
            return
        if (level := entry.requests) is not None:
            standing.requests = replace(level, reset_s=level.reset_s - entry.wait_s + left_s)
        standing.tokens = entry.tokens
        self._meter.quota_refused("requests")
        raise self._refusal(tenant, replace(entry, wait_s=left_s))

    def _refusal(self, tenant: Tenant, entry: Entry) -> RateLimited:
        if entry.refused == "requests" and entry.requests is not None:
            return RateLimited(
                f"Tenant {tenant.name} has used up its quota of {entry.requests.limit} requests per minute.",
                retry_after_s=entry.wait_s,
            )
        slots = tenant.concurrency or 1
        # The next of them ends, on average, after this part of what one takes.
        wait_s = self._durations_s.get(tenant.name, _UNKNOWN_WAIT_S * slots) / slots
        return RateLimited(
            f"Tenant {tenant.name} has all of its {slots} requests at the same time running.", retry_after_s=wait_s
        )

    def _took(self, name: str, took_s: float) -> None:
        known_s = self._durations_s.get(name, took_s)
        _remember(self._durations_s, name, known_s + _NEWEST * (took_s - known_s))


def _remember(known: dict[str, T], name: str, value: T) -> None:
    known.pop(name, None)
    if len(known) >= _REMEMBERED_TENANTS:
        del known[next(iter(known))]
    known[name] = value


async def _reserve(store: QuotaStore, tenant: str, limit: int, tokens: int) -> tuple[int, int, Reserved]:
    # A share may be smaller than one request within the limit: that one takes all of it.
    taken = min(tokens, limit)
    return limit, taken, await store.reserve(tenant, limit, taken)


def _limits(tenant: Tenant, share: float) -> Limits:
    return Limits(
        *(
            None if limit is None else _shared(limit, share)
            for limit in (tenant.requests_per_minute, tenant.tokens_per_minute, tenant.concurrency)
        )
    )


def _shared(limit: int, share: float) -> int:
    return max(1, math.floor(limit * share))
