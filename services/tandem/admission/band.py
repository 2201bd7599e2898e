"""Tenants of one priority, by weight: start-time fair queueing over the time for which slots are held."""

import heapq
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import count

from tandem.admission.claim import Claim
from tandem.admission.waiter import Waiter

# What a tenant's first answer is taken to cost, until it is known; only its relation to other tenants' counts.
_UNKNOWN_S = 1.0
_NEWEST = 0.2
_KEPT_ACCOUNTS = 64
_ROUNDING = 1e-9


@dataclass(eq=False, slots=True)
class Account:
    """One tenant's. `tag` is the virtual time at which its next answer may start, `cost_s` what one takes.

    `length` is the longest that its queue was since the entry `note` said so.
    """

    name: str
    weight: float
    cost_s: float
    waiters: "OrderedDict[Waiter, None]" = field(default_factory=OrderedDict)
    held: int = 0
    tag: float = 0.0
    entry: int = 0
    above: bool = False
    length: int = 0
    note: int = 0

    @property
    def active(self) -> bool:
        """True when it counts in the sharing now."""
        return bool(self.held or self.waiters)


class Band:
    """Who is next: the tenant with the earliest tag (Goyal, Vin and Cheng, 1996) among those below their share of the
    slots that the band holds; when none is, the one that holds the fewest for its weight.

    Tags share out the time, the look at the slots keeps a tenant of long answers from gathering them all before its
    cost is known. A grant, a release, an arrival and a departure take O(log n).
    """

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._below: list[tuple[float, int, Account]] = []
        self._above: list[tuple[float, int, Account]] = []
        self._lengths: list[tuple[float, int, Account]] = []
        self._entries = count(1)
        self._now = self._latest = 0.0
        self._usual_s = _UNKNOWN_S
        self._weight = 0.0
        self._held = 0
        self._keep = _KEPT_ACCOUNTS
        self.waiting = 0

    def add(self, waiter: Waiter) -> None:
        """It waits from now on, behind its tenant's others."""
        account = self._opened(waiter.claim)
        account.waiters[waiter] = None
        self.waiting += 1
        self._note_length(account)
        if len(account.waiters) == 1:
            self._line_up(account)

    def remove(self, waiter: Waiter) -> bool:
        """It waits no longer. False when it did not wait here."""
        account = self._accounts.get(waiter.claim.tenant)
        if account is None or waiter not in account.waiters:
            return False
        del account.waiters[waiter]
        self.waiting -= 1
        self._close(account)
        return True

    def pop(self) -> Waiter:
        """The next one, who takes a slot."""
        account = self._next()
        waiter, _ = account.waiters.popitem(last=False)
        self.waiting -= 1
        self._charge(account)
        if account.waiters:
            self._line_up(account)
        return waiter

    def took(self, claim: Claim) -> None:
        """One who did not have to wait has taken a slot."""
        self._charge(self._opened(claim))

    def gave_back(self, claim: Claim, held_s: float | None) -> None:
        """A slot is free again; `held_s` is None when it was never used."""
        account = self._accounts[claim.tenant]
        account.held -= 1
        self._held -= 1
        if held_s is not None:
            account.cost_s += _NEWEST * (held_s - account.cost_s)
            self._usual_s += _NEWEST * (held_s - self._usual_s)
        else:
            account.tag -= account.cost_s / account.weight
        if account.above or (held_s is None and account.waiters):
            self._line_up(account)
        self._close(account)

    def place(self, claim: Claim) -> float:
        """How long the tenant's queue would be for its weight, with one more."""
        account = self._accounts.get(claim.tenant)
        return (1 + (len(account.waiters) if account else 0)) / claim.weight

    def longest(self) -> Account | None:
        """The tenant with the longest queue for its weight; None when none waits."""
        while self._lengths:
            _, note, account = self._lengths[0]
            length = len(account.waiters)
            if note == account.note and length == account.length:
                return account
            heapq.heappop(self._lengths)
            if note == account.note:
                # The newest note of a queue that is shorter by now.
                account.length = account.note = 0
                self._note_length(account)
        return None

    def _opened(self, claim: Claim) -> Account:
        account = self._accounts.get(claim.tenant)
        if account is None:
            if len(self._accounts) >= self._keep:
                self._forget()
            account = self._accounts[claim.tenant] = Account(claim.tenant, claim.weight, self._usual_s)
        if not account.active:
            if account.weight != claim.weight:
                # A note made with the other weight counts no more.
                account.weight, account.length, account.note = claim.weight, 0, 0
            self._weight += account.weight
        return account

    def _close(self, account: Account) -> None:
        if not account.active:
            self._weight -= account.weight
        if not self._held and not self.waiting:
            # Nobody is behind anybody any more.
            self._now, self._weight = self._latest, 0.0

    def _charge(self, account: Account) -> None:
        account.held += 1
        self._held += 1
        self._now = max(self._now, account.tag)
        account.tag = self._now + account.cost_s / account.weight
        self._latest = max(self._latest, account.tag)

    def _line_up(self, account: Account) -> None:
        """Among those below their share; whether it is shows when it is its turn. Older entries count no more."""
        account.entry, account.above = next(self._entries), False
        if len(self._below) > 2 * len(self._accounts) + _KEPT_ACCOUNTS:
            self._below = [each for each in self._below if each[1] == each[2].entry]
            heapq.heapify(self._below)
        heapq.heappush(self._below, (max(self._now, account.tag), account.entry, account))

    def _set_aside(self, account: Account) -> None:
        """Among those that hold their share or more."""
        account.above = True
        if len(self._above) > 2 * len(self._accounts) + _KEPT_ACCOUNTS:
            self._above = [each for each in self._above if each[1] == each[2].entry]
            heapq.heapify(self._above)
        heapq.heappush(self._above, ((account.held + 1) / account.weight, account.entry, account))

    def _next(self) -> Account:
        while self._below:
            _, entry, account = heapq.heappop(self._below)
            if entry != account.entry or not account.waiters:
                continue
            if account.held < math.ceil((self._held + 1) * account.weight / self._weight - _ROUNDING):
                return account
            self._set_aside(account)
        while True:
            _, entry, account = heapq.heappop(self._above)
            if entry == account.entry and account.waiters:
                return account

    def _note_length(self, account: Account) -> None:
        length = len(account.waiters)
        if length > account.length:
            if len(self._lengths) > 2 * len(self._accounts) + _KEPT_ACCOUNTS:
                self._tidy_lengths()
            account.length, account.note = length, next(self._entries)
            heapq.heappush(self._lengths, (-length / account.weight, account.note, account))

    def _tidy_lengths(self) -> None:
        kept = []
        for each in self._lengths:
            _, note, account = each
            if note != account.note:
                continue
            if account.waiters:
                kept.append(each)
            else:
                account.length = account.note = 0
        heapq.heapify(kept)
        self._lengths = kept

    def _forget(self) -> None:
        """Accounts that owe nothing; the others count when their tenant comes back."""
        self._accounts = {
            name: account for name, account in self._accounts.items() if account.active or account.tag > self._now
        }
        self._keep = max(_KEPT_ACCOUNTS, 2 * len(self._accounts))
