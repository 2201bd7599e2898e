"""Who waits for a slot: bands by priority, tenants by weight inside a band, first come first served inside a tenant."""

from collections import OrderedDict
from collections.abc import Iterator

from tandem.admission.band import Account, Band
from tandem.admission.claim import Claim
from tandem.admission.waiter import Waiter
from tandem.domain.tenants import Priority

# What a band gets of the grants, and keeps of the room, while higher ones want all of it.
_LEFT_FOR_LOWER = 0.1
_UPWARDS = tuple(sorted(Priority))


class FairQueue:
    """Higher bands go first, but each lower one that waits gets a tenth of the grants.

    When there is no room, a newcomer takes the place of the last one to come of a tenant that has more waiting for its
    weight, or of a lower band. `room` is how many may wait, as far as the caller knows now.
    """

    def __init__(self) -> None:
        self._bands = {priority: Band() for priority in reversed(_UPWARDS)}
        self._credit = dict.fromkeys(self._bands, 0.0)
        self._waiting: OrderedDict[Waiter, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Waiter]:
        """From the one that has waited longest."""
        return iter(self._waiting)

    @property
    def oldest(self) -> Waiter | None:
        """The one that has waited longest."""
        return next(iter(self._waiting), None)

    @property
    def newest(self) -> Waiter | None:
        """The one that came last."""
        return next(reversed(self._waiting), None)

    def ahead(self, priority: Priority) -> int:
        """How many wait in this band and above."""
        return sum(band.waiting for each, band in self._bands.items() if each >= priority)

    def has_room(self, claim: Claim, room: int) -> bool:
        """True when `add` takes this claim."""
        return len(self._waiting) < room or self._giving_way(claim, room) is not None

    def add(self, waiter: Waiter, room: int) -> Waiter | None:
        """Lets it wait. Returns who had to give way. Raises `LookupError` when there is no room."""
        gone = None
        if len(self._waiting) >= room:
            account = self._giving_way(waiter.claim, room)
            if account is None:
                raise LookupError("there is no room")
            gone = next(reversed(account.waiters))
            self.remove(gone)
        self._waiting[waiter] = None
        self._bands[waiter.claim.priority].add(waiter)
        return gone

    def remove(self, waiter: Waiter) -> bool:
        """It waits no longer. False when it did not."""
        if waiter not in self._waiting:
            return False
        del self._waiting[waiter]
        return self._bands[waiter.claim.priority].remove(waiter)

    def pop(self) -> Waiter:
        """The next one, who takes a slot. There must be one."""
        waiter = self._next_band().pop()
        del self._waiting[waiter]
        return waiter

    def took(self, claim: Claim) -> None:
        """One who did not have to wait has taken a slot."""
        self._bands[claim.priority].took(claim)

    def gave_back(self, claim: Claim, held_s: float | None) -> None:
        """A slot is free again that was held for so many seconds; None when it was never used."""
        self._bands[claim.priority].gave_back(claim, held_s)

    def _next_band(self) -> Band:
        first: Band | None = None
        for priority, band in self._bands.items():
            if not band.waiting:
                continue
            if first is None:
                first = band
                continue
            self._credit[priority] += _LEFT_FOR_LOWER
            if self._credit[priority] >= 1:
                self._credit[priority] -= 1
                return band
        if first is None:
            raise LookupError("nobody waits")
        return first

    def _giving_way(self, claim: Claim, room: int) -> Account | None:
        """Whose last waiter gives way to this claim: a lower band's, the own band's, a higher band's above its part."""
        kept = max(1, int(_LEFT_FOR_LOWER * room))
        own = self._bands[claim.priority]
        for priority in _UPWARDS:
            if priority < claim.priority and self._bands[priority].waiting > kept:
                return self._bands[priority].longest()
        longest = own.longest()
        if longest is not None and own.place(claim) <= (len(longest.waiters) - 1) / longest.weight:
            return longest
        if own.waiting < kept < room:
            higher = [band for priority, band in self._bands.items() if priority > claim.priority and band.waiting > 1]
            return higher[-1].longest() if higher else None
        return None
