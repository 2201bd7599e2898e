import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tandem.adapters.scripted.virtual_time import LoopClock, at_once
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.turnstile import Claim, Slot, Turnstile
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded
from tandem.domain.tenants import Priority

CONTEXT = RequestContext("r")


def turnstile(slots: int = 1, *, most: int | None = None, waiting: int = 4, wait_s: float = 10) -> Turnstile:
    clock = LoopClock()
    limit = AdaptiveLimit(initial=slots, least=slots, most=most or slots, clock=clock)
    return Turnstile(limit, max_waiting=waiting, max_wait_s=wait_s, clock=clock)


@asynccontextmanager
async def taking(gate: Turnstile, claim: Claim, context: RequestContext) -> AsyncIterator[Slot]:
    slot = await gate.take(claim, context)
    try:
        yield slot
    finally:
        slot.free()


async def answer(gate: Turnstile, who: str = "a", takes_s: float = 1.0, **more: Any) -> float:
    """How long it waited."""
    claim = Claim(who, more.pop("weight", 1.0), more.pop("priority", Priority.normal))
    async with taking(gate, claim, RequestContext("r", **more)) as slot:
        slot.asked()
        await asyncio.sleep(takes_s / 2)
        slot.first_token()
        await asyncio.sleep(takes_s / 2)
        return slot.waited_s


async def outcomes(*work: Coroutine[Any, Any, float]) -> list[float | BaseException]:
    return await asyncio.gather(*work, return_exceptions=True)


def idle(gate: Turnstile) -> bool:
    return (gate.running, gate.waiting) == (0, 0)


def test_who_waits_goes_in_order_of_arrival() -> None:
    async def scene() -> None:
        gate = turnstile(1)
        assert await outcomes(*(answer(gate) for _ in range(4))) == [0, 1, 2, 3]
        assert idle(gate)

    at_once(scene())


def test_a_full_queue_refuses_at_once_and_says_so_beforehand() -> None:
    async def scene() -> None:
        gate = turnstile(1, waiting=1)
        assert gate.refusal(Claim("a")) is None
        running = asyncio.create_task(outcomes(answer(gate), answer(gate)))
        await asyncio.sleep(0.5)
        told = gate.refusal(Claim("a"))
        assert isinstance(told, Overloaded)
        with pytest.raises(Overloaded) as refused:
            await answer(gate)
        assert refused.value.retry_after_s == told.retry_after_s
        assert await running == [0, 1]
        assert idle(gate)

    at_once(scene())


def test_a_wait_that_is_too_long_ends_as_overload() -> None:
    async def scene() -> None:
        gate = turnstile(1, wait_s=2)
        first, second, third = await outcomes(answer(gate, takes_s=5), answer(gate), answer(gate, deadline_s=1.5))
        assert first == 0
        assert isinstance(second, Overloaded)
        assert isinstance(third, DeadlineExceeded)
        assert third.stage == "queue"
        assert asyncio.get_running_loop().time() == 5
        assert idle(gate)

    at_once(scene())


def test_a_past_deadline_is_told_before_anything() -> None:
    async def scene() -> None:
        gate = turnstile(1)
        await asyncio.sleep(2)
        with pytest.raises(DeadlineExceeded):
            await answer(gate, deadline_s=1.0)
        assert idle(gate)

    at_once(scene())


def test_a_slot_goes_past_one_whose_first_token_would_come_too_late() -> None:
    async def scene() -> None:
        gate = turnstile(1, most=2, waiting=40, wait_s=100)
        for _ in range(40):
            await answer(gate)
        # First tokens take half a second here; at the first one's end only 0.3 seconds are left to the second.
        now_s = asyncio.get_running_loop().time()
        takers = [answer(gate) for _ in range(gate.limit)]
        *served, late, last = await outcomes(*takers, answer(gate, deadline_s=now_s + 1.3), answer(gate))
        assert isinstance(late, DeadlineExceeded)
        assert last == 1
        assert served == [0] * len(served)
        assert idle(gate)

    at_once(scene())


@pytest.mark.parametrize("steps", range(6))
def test_leaving_at_any_moment_leaves_no_trace(steps: int) -> None:
    async def scene() -> None:
        gate = turnstile(1)
        held = AsyncExitStack()
        await held.enter_async_context(taking(gate, Claim("a"), CONTEXT))
        waiting = [asyncio.create_task(answer(gate, who)) for who in "bcd"]
        await asyncio.sleep(0)
        # One is cancelled before, in, and after the tick in which it is granted.
        if steps < 3:
            waiting[0].cancel()
        for _ in range(steps % 3):
            await asyncio.sleep(0)
        await held.aclose()
        for _ in range(steps % 3):
            await asyncio.sleep(0)
        waiting[0].cancel()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(ends[0], asyncio.CancelledError)
        assert not any(isinstance(end, BaseException) for end in ends[1:])
        assert idle(gate)

    at_once(scene())


def test_a_tenant_with_ten_times_the_load_gets_its_share() -> None:
    async def scene() -> Counter[str]:
        gate, chance, done = turnstile(8, waiting=64), random.Random(3), Counter[str]()

        async def one(who: str) -> None:
            try:
                await answer(gate, who, chance.uniform(0.5, 1.5))
                done[who] += 1
            except Overloaded:
                pass

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4000):
                await asyncio.sleep(chance.expovariate(40))
                tasks.create_task(one(chance.choices("abcde", (10, 1, 1, 1, 1))[0]))
        assert idle(gate)
        return done

    done = at_once(scene())
    jain = sum(done.values()) ** 2 / (len(done) * sum(each * each for each in done.values()))
    assert len(done) == 5
    assert jain > 0.95


def test_long_answers_do_not_gather_all_slots() -> None:
    async def scene() -> Counter[str]:
        gate, held = turnstile(8, waiting=200, wait_s=1000), Counter[str]()

        async def stream(who: str, takes_s: float) -> None:
            async with taking(gate, Claim(who), CONTEXT):
                held[who] += 1
                await asyncio.sleep(takes_s)
                held[who] -= 1

        tasks = [asyncio.create_task(stream(who, takes_s)) for who, takes_s in [("slow", 600), ("quick", 1)] * 60]
        await asyncio.sleep(10.5)
        now = held.copy()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert idle(gate)
        return now

    assert at_once(scene()) == {"slow": 4, "quick": 4}


def test_high_goes_first_and_low_is_not_starved() -> None:
    async def scene() -> Counter[Priority]:
        gate, done = turnstile(1, waiting=300, wait_s=1000), Counter[Priority]()

        async def one(priority: Priority) -> None:
            await answer(gate, str(priority), priority=priority)
            done[priority] += 1

        tasks = [asyncio.create_task(one(priority)) for priority in list(Priority) * 90]
        await asyncio.sleep(100.5)
        now = done.copy()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return now

    done = at_once(scene())
    assert done[Priority.high] >= 78
    assert done[Priority.normal] >= 9
    assert done[Priority.low] >= 9


def test_a_burst_is_served_whole_but_a_standing_queue_is_kept_short() -> None:
    async def scene() -> tuple[list[float | BaseException], list[float], int]:
        gate = turnstile(4, waiting=200, wait_s=60)
        burst = await outcomes(*(answer(gate) for _ in range(100)))
        waits: list[float] = []
        refused = 0

        async def one() -> None:
            nonlocal refused
            try:
                waits.append(await answer(gate))
            except Overloaded:
                refused += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(800):
                await asyncio.sleep(1 / 16)
                tasks.create_task(one())
        assert idle(gate)
        return burst, waits, refused

    burst, waits, refused = at_once(scene())
    assert [each for each in burst if isinstance(each, BaseException)] == []
    # Four times what four slots can do, for fifty seconds: all slots stay busy, and nobody waits much beyond an answer.
    assert len(waits) >= 195
    assert len(waits) + refused == 800
    assert max(waits[-100:]) <= 1.3


def test_retry_after_is_when_the_queue_will_have_gone() -> None:
    async def scene() -> None:
        gate = turnstile(2, waiting=6, wait_s=100)
        await outcomes(*(answer(gate, takes_s=4) for _ in range(8)))
        await asyncio.sleep(5)
        running = [asyncio.create_task(answer(gate, takes_s=4)) for _ in range(8)]
        await asyncio.sleep(0)
        told = gate.refusal(Claim("a"))
        assert told is not None
        # Six wait and two run, each for four seconds, two at a time.
        assert told.retry_after_s == pytest.approx(14)
        assert gate.expected_wait_s() == told.retry_after_s
        await asyncio.gather(*running)
        assert gate.expected_wait_s() == 0

    at_once(scene())


def test_a_server_that_hangs_makes_the_expected_wait_grow() -> None:
    async def scene() -> None:
        gate = turnstile(2, waiting=6, wait_s=1000)
        await outcomes(*(answer(gate) for _ in range(4)))
        stuck = [asyncio.create_task(answer(gate, takes_s=500)) for _ in range(3)]
        await asyncio.sleep(0)
        before_s = gate.expected_wait_s()
        await asyncio.sleep(100)
        assert gate.expected_wait_s() > 50 * before_s
        await asyncio.gather(*stuck)

    at_once(scene())


def test_a_raised_limit_lets_waiting_ones_in() -> None:
    async def scene() -> None:
        gate = turnstile(1, most=8, waiting=500, wait_s=1000)
        await outcomes(*(answer(gate, takes_s=0.1) for _ in range(200)))
        assert gate.limit == 8
        assert idle(gate)

    at_once(scene())


def test_a_slot_is_freed_however_its_work_ends() -> None:
    async def scene() -> None:
        gate = turnstile(1)

        async def fails(slot: Slot) -> None:
            slot.asked()
            slot.pushed_back()
            raise Overloaded("busy")

        with pytest.raises(Overloaded, match="busy"):
            async with taking(gate, Claim("a"), CONTEXT) as slot:
                await fails(slot)
        assert idle(gate)

    at_once(scene())
