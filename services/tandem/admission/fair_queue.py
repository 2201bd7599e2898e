"""Who is next: bands by priority, tenants by weight inside a band, first come first served inside a tenant."""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from tandem.admission.claim import Claim
from tandem.domain.tenants import Priority

# A band with waiters gets at least this share of the grants while a higher one has waiters too.
_LEFT_FOR_LOWER = 0.1


@dataclass(eq=False, slots=True)
class Waiter:
    """One who waits since `arrived_s`. `granted` is done with True for a slot, or with the error to raise."""

    claim: Claim
    arrived_s: float
    granted: "asyncio.Future[None]"


@dataclass(eq=False, slots=True)
class _Account:
    """One tenant in one band. `tag`: the virtual time at which its next request may start."""

    name: str
    weight: float
    waiters: "OrderedDict[Waiter, None]" = field(default_factory=OrderedDict)
    held: int = 0
    tag: float = 0.0
    entry: int = 0


class _Band:
    """Start-time fair queueing (Goyal, Vin and Cheng, 1996) over tenants."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._ready: list[tuple[float, int, _Account]] = []
        self._entries = count(1)
        self._virtual = 0.0
        self.credit = 0.0
        self.waiting = 0

    def account(self, claim: Claim) -> _Account:
        """The tenant's, made when it has none."""
        found = self._accounts.get(claim.tenant)
        if found is None:
            found = self._accounts[claim.tenant] = _Account(claim.tenant, claim.weight)
        found.weight = claim.weight
        return found

    def known(self, tenant: str) -> _Account | None:
        return self._accounts.get(tenant)

    def add(self, waiter: Waiter) -> None:
        account = self.account(waiter.claim)
        account.waiters[waiter] = None
        self.waiting += 1
        if len(account.waiters) == 1:
            self._enter(account)

    def remove(self, waiter: Waiter) -> bool:
        account = self._accounts.get(waiter.claim.tenant)
        if account is None or waiter not in account.waiters:
            return False
        del account.waiters[waiter]
        self.waiting -= 1
        self._forget(account)
        return True

    def pop(self) -> Waiter:
        while True:
            _, entry, account = heapq.heappop(self._ready)
            if entry == account.entry and account.waiters:
                break
        waiter, _ = account.waiters.popitem(last=False)
        self.waiting -= 1
        self.took(account)
        if account.waiters:
            self._enter(account)
        return waiter

    def took(self, account: _Account) -> None:
        account.held += 1
        start = max(self._virtual, account.tag)
        self._virtual = start
        account.tag = start + 1 / account.weight

    def gave_back(self, tenant: str) -> None:
        account = self._accounts[tenant]
        account.held -= 1
        self._forget(account)

    def longest(self) -> _Account | None:
        waiting = [each for each in self._accounts.values() if each.waiters]
        return max(waiting, key=lambda each: len(each.waiters) / each.weight) if waiting else None

    def _enter(self, account: _Account) -> None:
        account.entry = next(self._entries)
        heapq.heappush(self._ready, (max(self._virtual, account.tag), account.entry, account))

    def _forget(self, account: _Account) -> None:
        if not account.held and not account.waiters and account.tag <= self._virtual:
            del self._accounts[account.name]


class FairQueue:
    """At most `room` wait. When it is full, a tenant under its share takes the place of one that is over its own."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._bands = {priority: _Band() for priority in sorted(Priority, reverse=True)}
        self._oldest: OrderedDict[Waiter, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._oldest)

    def __iter__(self) -> Iterator[Waiter]:
        """Oldest first."""
        return iter(self._oldest)

    def has_room(self, claim: Claim) -> bool:
        """True when `add` would take this claim."""
        return len(self._oldest) < self._room or self._victim(claim) is not None

    def add(self, waiter: Waiter) -> Waiter | None:
        """Let it wait. Returns whom it pushed out."""
        pushed = None
        if len(self._oldest) >= self._room:
            victim = self._victim(waiter.claim)
            if victim is None:
                raise LookupError("there is no room; ask has_room first")
            pushed = next(reversed(victim.waiters))
            self.remove(pushed)
        self._oldest[waiter] = None
        self._bands[waiter.claim.priority].add(waiter)
        return pushed

    def remove(self, waiter: Waiter) -> bool:
        """It waits no longer. False when it did not."""
        self._oldest.pop(waiter, None)
        return self._bands[waiter.claim.priority].remove(waiter)

    def pop(self) -> Waiter:
        """The next one, who takes a slot."""
        waiter = self._next_band().pop()
        del self._oldest[waiter]
        return waiter

    def took(self, claim: Claim) -> None:
        """One who did not have to wait has taken a slot."""
        band = self._bands[claim.priority]
        band.took(band.account(claim))

    def gave_back(self, claim: Claim) -> None:
        """A slot that was taken is free again."""
        self._bands[claim.priority].gave_back(claim.tenant)

    def _next_band(self) -> _Band:
        waiting = [band for band in self._bands.values() if band.waiting]
        first, *lower = waiting
        for band in lower:
            band.credit += _LEFT_FOR_LOWER
            if band.credit >= 1:
                band.credit -= 1
                return band
        return first

    def _victim(self, claim: Claim) -> _Account | None:
        for priority in sorted(Priority):
            band = self._bands[priority]
            if priority < claim.priority and band.waiting:
                return band.longest()
            if priority == claim.priority:
                longest, own = band.longest(), band.known(claim.tenant)
                mine = (len(own.waiters) if own else 0) + 1
                if longest and mine / claim.weight <= (len(longest.waiters) - 1) / longest.weight:
                    return longest
                return None
        return None
