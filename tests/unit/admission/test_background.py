"""Slots that nobody waits for are lent, and called back as soon as somebody does."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.adapters.scripted.virtual_time import LoopClock, at_once
from tandem.admission.claim import Claim
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.slot import Slot
from tandem.admission.turnstile import Turnstile
from tandem.domain.context import RequestContext
from tandem.domain.errors import Overloaded

CONTEXT = RequestContext("r")
ONLINE, BATCH = Claim("a"), Claim("b", background=True)
GRACE_S = 0.5


def turnstile(slots: int = 2, *, most: int | None = None, waiting: int = 4, wait_s: float = 10) -> Turnstile:
    clock = LoopClock()
    limit = AdaptiveLimit(initial=slots, least=slots, most=most or slots, clock=clock)
    return Turnstile(limit, max_waiting=waiting, max_wait_s=wait_s, clock=clock)


class Holder:
    """Takes a slot in the background, works, and leaves `leaving_s` after it is wanted back."""

    def __init__(self, gate: Turnstile, *, works_s: float = 1000.0, leaving_s: float = 0.0, tenant: str = "b") -> None:
        self._gate = gate
        self._works_s = works_s
        self._leaving_s = leaving_s
        self._claim = Claim(tenant, background=True)
        self.wanted = asyncio.Event()
        self.holds = False
        self.done = False
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        slot = await self._gate.take(self._claim, CONTEXT)
        try:
            slot.when_recalled(self.wanted.set)
            self.holds = True
            slot.asked()
            async with asyncio.timeout(self._works_s):
                await self.wanted.wait()
            await asyncio.sleep(self._leaving_s)
        except TimeoutError:
            self.done = True
        finally:
            self.holds = False
            slot.free()


@asynccontextmanager
async def held(gate: Turnstile, *claims: Claim) -> AsyncIterator[list[Slot]]:
    slots = [await gate.take(claim, CONTEXT) for claim in claims]
    try:
        yield slots
    finally:
        for slot in slots:
            slot.free()


def idle(gate: Turnstile) -> bool:
    return not any((gate.running, gate.waiting, gate.in_background, gate.waiting_in_background))


async def settled(*holders: Holder) -> None:
    for holder in holders:
        holder.task.cancel()
    await asyncio.gather(*(holder.task for holder in holders), return_exceptions=True)


def test_it_gets_what_nobody_wants_and_nothing_more() -> None:
    async def scene() -> None:
        gate = turnstile(2)
        first, second, third = (Holder(gate, works_s=5) for _ in range(3))
        await asyncio.sleep(1)
        assert (first.holds, second.holds, third.holds) == (True, True, False)
        assert (gate.running, gate.in_background, gate.waiting, gate.waiting_in_background) == (2, 2, 0, 1)
        await asyncio.sleep(5)
        assert third.holds
        await asyncio.sleep(5)
        assert idle(gate)

    at_once(scene())


def test_the_youngest_gives_way_at_once_and_only_as_many_as_are_needed() -> None:
    async def scene() -> None:
        gate = turnstile(3)
        holders = [Holder(gate) for _ in range(3)]
        await asyncio.sleep(1)
        async with held(gate, ONLINE) as (slot,):
            assert slot.waited_s == 0, "the time that it takes to leave"
            assert [holder.wanted.is_set() for holder in holders] == [False, False, True]
            async with held(gate, ONLINE):
                assert [holder.wanted.is_set() for holder in holders] == [False, True, True]
        await settled(*holders)
        assert idle(gate)

    at_once(scene())


def test_a_slot_is_taken_from_who_does_not_leave() -> None:
    async def scene() -> None:
        gate = turnstile(1)
        holder = Holder(gate, leaving_s=60)
        await asyncio.sleep(1)
        async with held(gate, ONLINE) as (slot,):
            assert slot.waited_s == GRACE_S
            assert holder.holds, "whatever it does"
            assert gate.running == 1
        await asyncio.sleep(100)
        assert idle(gate), "a slot is not freed twice"

    at_once(scene())


def test_nobody_in_the_background_goes_before_one_who_waits() -> None:
    async def scene() -> None:
        gate = turnstile(1, waiting=10)
        waiting = [Holder(gate) for _ in range(3)]
        async with held(gate, ONLINE):
            others = [asyncio.create_task(_one(gate, 1.0)) for _ in range(3)]
            await asyncio.sleep(1)
        await asyncio.sleep(2.5)
        assert not any(holder.holds for holder in waiting)
        await asyncio.gather(*others)
        await asyncio.sleep(0.1)
        assert [holder.holds for holder in waiting] == [True, False, False]
        await settled(*waiting)
        assert idle(gate)

    at_once(scene())


def test_slots_that_will_be_given_back_are_room_and_no_wait() -> None:
    async def scene() -> None:
        gate = turnstile(2, waiting=0)
        holders = [Holder(gate), Holder(gate)]
        await asyncio.sleep(1)
        assert gate.refusal(ONLINE) is None
        assert gate.expected_wait_s() == 0
        async with held(gate, ONLINE, ONLINE):
            assert isinstance(gate.refusal(ONLINE), Overloaded)
            assert gate.expected_wait_s() > 0
            with pytest.raises(Overloaded):
                await gate.take(ONLINE, CONTEXT)
        await settled(*holders)
        assert idle(gate)

    at_once(scene())


def test_it_waits_no_longer_than_others_and_in_a_queue_as_long() -> None:
    async def scene() -> None:
        gate = turnstile(1, waiting=1, wait_s=5)
        async with held(gate, ONLINE):
            first = Holder(gate)
            await asyncio.sleep(1)
            assert isinstance(gate.refusal(BATCH), Overloaded)
            assert gate.refusal(ONLINE) is None
            with pytest.raises(Overloaded):
                await gate.take(BATCH, CONTEXT)
            await asyncio.sleep(5)
            assert isinstance(first.task.exception(), Overloaded)
        assert idle(gate)

    at_once(scene())


def test_tenants_share_the_background() -> None:
    async def scene() -> None:
        gate = turnstile(4, waiting=100, wait_s=1000)
        many = [Holder(gate, works_s=1, tenant="many") for _ in range(60)]
        few = [Holder(gate, works_s=1, tenant="few") for _ in range(10)]
        await asyncio.sleep(8.5)
        assert all(holder.done for holder in few), "ten of four slots' first 32"
        await asyncio.gather(*(holder.task for holder in many))
        assert idle(gate)

    at_once(scene())


def test_some_slots_stay_free_for_who_comes_next() -> None:
    async def scene() -> None:
        gate = turnstile(16)
        async with held(gate, *[ONLINE] * 9):
            holders = [Holder(gate) for _ in range(8)]
            await asyncio.sleep(1)
            assert sum(holder.holds for holder in holders) == 5, "two more than the nine may come"
            async with held(gate, ONLINE, ONLINE):
                assert not any(holder.wanted.is_set() for holder in holders)
            await settled(*holders)

    at_once(scene())


def test_the_limit_does_not_fall_for_those_that_had_to_go() -> None:
    async def scene() -> tuple[int, int]:
        gate = turnstile(1, most=64, waiting=100, wait_s=1000)
        for _ in range(200):
            slots = [await gate.take(ONLINE, CONTEXT) for _ in range(gate.limit)]
            for slot in slots:
                slot.asked()
            await asyncio.sleep(0.1)
            for slot in slots:
                slot.first_token()
                slot.free()
        before = gate.limit
        for _ in range(100):
            holders = [Holder(gate) for _ in range(before)]
            # Ten times what a first token takes: somebody who left then would be told as a slow server.
            await asyncio.sleep(1)
            async with held(gate, *(ONLINE for _ in range(before))):
                pass
            await settled(*holders)
        assert idle(gate)
        return before, gate.limit

    before, after = at_once(scene())
    assert after == before > 8


@given(seed=st.integers(0, 2**32), slots=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_in_whatever_order(seed: int, slots: int) -> None:
    """Nobody waits longer for a slot of the background than it takes to give it back, and all slots come back."""
    chance = random.Random(seed)

    async def scene() -> None:
        gate = turnstile(slots, waiting=1000, wait_s=1000)
        holders: list[Holder] = []
        online: list[asyncio.Task[float]] = []
        for _ in range(60):
            await asyncio.sleep(chance.choice((0, 0, 0.05, 0.3, 2)))
            match chance.randrange(5):
                case 0 | 1:
                    holders.append(
                        Holder(gate, works_s=chance.choice((0.1, 3, 1000)), leaving_s=chance.choice((0, 0.2, 60)))
                    )
                case 2 | 3 if len([task for task in online if not task.done()]) < slots:
                    online.append(asyncio.create_task(_one(gate, chance.choice((0.0, 0.5, 4)))))
                case 2 | 3:
                    continue
                case _ if online:
                    chance.choice(online).cancel()
            assert gate.running <= gate.limit
            assert not (gate.waiting and gate.running < gate.limit)
        await settled(*holders)
        waited = await asyncio.gather(*online, return_exceptions=True)
        # No more than there are slots at any time: what they wait for is the background alone.
        assert all(each <= GRACE_S + 1e-6 for each in waited if isinstance(each, float))
        assert idle(gate)

    at_once(scene())


async def _one(gate: Turnstile, takes_s: float) -> float:
    slot = await gate.take(ONLINE, CONTEXT)
    try:
        await asyncio.sleep(takes_s)
        return slot.waited_s
    finally:
        slot.free()
