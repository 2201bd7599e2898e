import asyncio
import math
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tandem.admission.claim import Claim
from tandem.admission.fair_queue import FairQueue
from tandem.admission.waiter import Waiter
from tandem.domain.tenants import Priority

TENANTS = ("a", "b", "c", "d")
LOOP = asyncio.new_event_loop()
LOOP.close()


def waiter(tenant: str, weight: float = 1.0, priority: Priority = Priority.normal, arrived_s: float = 0.0) -> Waiter:
    return Waiter(Claim(tenant, weight, priority), arrived_s, None, asyncio.Future(loop=LOOP))


def filled(*tenants: str, room: int = 1000, **more: float) -> FairQueue:
    queue = FairQueue()
    for tenant in tenants:
        queue.add(waiter(tenant, more.get(tenant, 1.0)), room)
    return queue


def popped(queue: FairQueue, count: int) -> str:
    return "".join(queue.pop().claim.tenant for _ in range(count))


def test_tenants_take_turns_whoever_came_first() -> None:
    assert popped(filled(*"aaaabb"), 6) == "ababaa"


def test_weights_are_shares() -> None:
    queue = filled(*"a" * 60, *"b" * 60, a=3.0)
    taken = Counter[str]()
    for _ in range(60):
        claim = queue.pop().claim
        taken[claim.tenant] += 1
        queue.gave_back(claim, 1.0)
    assert taken["a"] == pytest.approx(45, abs=1)


def test_long_answers_cost_their_tenant_turns() -> None:
    queue = filled(*"a" * 100, *"b" * 100)
    taken = Counter[str]()
    for _ in range(88):
        claim = queue.pop().claim
        taken[claim.tenant] += 1
        queue.gave_back(claim, 3.0 if claim.tenant == "a" else 1.0)
    assert taken["b"] / taken["a"] == pytest.approx(3, rel=0.2)


def test_who_comes_back_has_saved_nothing_up() -> None:
    queue = filled(*"a" * 20)
    for _ in range(10):
        queue.gave_back(queue.pop().claim, 1.0)
    for _ in range(5):
        queue.add(waiter("b"), 100)
    assert sorted(popped(queue, 4)) == ["a", "a", "b", "b"]


def test_a_full_queue_makes_room_for_who_has_less() -> None:
    queue = filled(*"aaaab", room=5)
    last = [each for each in queue if each.claim.tenant == "a"][-1]
    assert queue.has_room(Claim("c"), 5)
    assert not queue.has_room(Claim("a"), 5)
    assert queue.add(waiter("c"), 5) is last
    assert len(queue) == 5


def test_two_equal_tenants_do_not_push_each_other_out() -> None:
    queue = filled(*"aaabb", room=5)
    assert not queue.has_room(Claim("b"), 5)
    assert not queue.has_room(Claim("a"), 5)
    with pytest.raises(LookupError):
        queue.add(waiter("b"), 5)


def test_a_higher_band_takes_a_lower_ones_places_but_for_a_tenth() -> None:
    queue = FairQueue()
    for _ in range(20):
        queue.add(waiter("low", priority=Priority.low), 20)
    gone = 0
    while queue.has_room(Claim("high", priority=Priority.high), 20) and gone < 40:
        gone += queue.add(waiter("high", priority=Priority.high), 20) is not None
    assert gone == 18
    assert queue.ahead(Priority.high) == 18
    assert queue.ahead(Priority.low) == 20


def test_a_lower_band_gets_its_tenth_of_a_queue_full_of_higher_ones() -> None:
    queue = FairQueue()
    for _ in range(20):
        queue.add(waiter("high", priority=Priority.high), 20)
    assert queue.has_room(Claim("low", priority=Priority.low), 20)
    for _ in range(2):
        queue.add(waiter("low", priority=Priority.low), 20)
    assert not queue.has_room(Claim("low", priority=Priority.low), 20)


def test_accounts_of_passing_tenants_are_forgotten() -> None:
    queue = FairQueue()
    for n in range(5000):
        queue.add(waiter(f"t{n}"), 10)
        queue.gave_back(queue.pop().claim, 1.0)
    band = queue._bands[Priority.normal]
    assert len(band._accounts) < 300
    assert len(band._below) + len(band._above) + len(band._lengths) < 1000


class Sharing(RuleBasedStateMachine):
    """Every slot is accounted for, every waiter gets out once, and nobody is granted more than a share while others wait."""

    @initialize(slots=st.integers(1, 9), room=st.integers(1, 12))
    def begin(self, slots: int, room: int) -> None:
        self.queue = FairQueue()
        self.slots, self.room = slots, room
        self.waiting: list[Waiter] = []
        self.arrived = 0
        self.held: list[Claim] = []

    @rule(tenant=st.sampled_from(TENANTS), weight=st.sampled_from([1.0, 1.0, 2.5]), band=st.sampled_from(Priority))
    def arrive(self, tenant: str, weight: float, band: Priority) -> None:
        claim = Claim(tenant, weight, band)
        if not self.waiting and len(self.held) < self.slots:
            self.queue.took(claim)
            self.held.append(claim)
            return
        roomy = self.queue.has_room(claim, self.room)
        assert roomy or len(self.waiting) >= self.room
        if not roomy:
            return
        self.arrived += 1
        one = waiter(tenant, weight, band, self.arrived)
        gone = self.queue.add(one, self.room)
        if gone is not None:
            self.waiting.remove(gone)
            tenth = max(1, self.room // 10)
            assert gone.claim.priority <= band or sum(each.claim.priority == band for each in self.waiting) < tenth
        self.waiting.append(one)

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 99), held_s=st.sampled_from([None, 0.1, 1.0, 50.0]))
    def end(self, which: int, held_s: float | None) -> None:
        claim = self.held.pop(which % len(self.held))
        self.queue.gave_back(claim, held_s)
        while self.waiting and len(self.held) < self.slots:
            self._grant()

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 99))
    def leave(self, which: int) -> None:
        gone = self.waiting.pop(which % len(self.waiting))
        assert self.queue.remove(gone)
        assert not self.queue.remove(gone)

    @rule(slots=st.integers(1, 9))
    def change(self, slots: int) -> None:
        self.slots = slots
        while self.waiting and len(self.held) < self.slots:
            self._grant()

    def _grant(self) -> None:
        one = self.queue.pop()
        self.waiting.remove(one)
        claim = one.claim
        # First come, first served among the tenant's own.
        same = [each for each in self.waiting if each.claim.tenant == claim.tenant]
        assert all(one.arrived_s < each.arrived_s for each in same if each.claim.priority == claim.priority)
        rivals = [each.claim for each in self.waiting if each.claim.priority == claim.priority]
        self._is_fair(claim, [each for each in rivals if each.tenant != claim.tenant])
        self.held.append(claim)

    def _is_fair(self, claim: Claim, rivals: list[Claim]) -> None:
        band = [each.tenant for each in self.held if each.priority == claim.priority]
        active = {*band, claim.tenant, *(each.tenant for each in rivals)}
        if any(each.weight != 1.0 for each in [*self.held, *rivals, claim]):
            return
        share = (len(band) + 1) / len(active)
        mine = band.count(claim.tenant) + 1
        for rival in rivals:
            # Not above its share, or not more than who waits.
            assert mine <= math.ceil(share) or mine <= band.count(rival.tenant) + 1

    @invariant()
    def adds_up(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert len(self.queue) == len(self.waiting) == len(list(self.queue))
        bands = self.queue._bands.values()
        assert sum(band._held for band in bands) == len(self.held)
        assert sum(band.waiting for band in bands) == len(self.waiting)
        assert list(self.queue) == self.waiting
        for priority, band in self.queue._bands.items():
            longest = band.longest()
            waiting = Counter(each.claim.tenant for each in self.waiting if each.claim.priority == priority)
            if longest is None:
                assert not waiting
            else:
                lengths = {name: account for name, account in band._accounts.items() if account.waiters}
                most = max(len(account.waiters) / account.weight for account in lengths.values())
                assert len(longest.waiters) / longest.weight == most


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=60, stateful_step_count=40)
