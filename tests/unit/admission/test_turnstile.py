import asyncio

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.turnstile import Claim, Turnstile
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded

CONTEXT = RequestContext("r")


def turnstile(slots: int = 1, *, max_waiting: int = 4, clock: ScriptedClock | None = None) -> Turnstile:
    clock = clock or ScriptedClock()
    limit = AdaptiveLimit(initial=slots, least=slots, most=slots, clock=clock)
    return Turnstile(limit, max_waiting=max_waiting, max_wait_s=10, clock=clock)


async def test_a_slot_is_held_while_the_context_lasts() -> None:
    gate = turnstile(1)
    async with gate.enter(Claim("a"), CONTEXT):
        assert gate.running == 1
    assert gate.running == 0


async def test_who_waits_gets_the_slot_when_it_is_free() -> None:
    gate = turnstile(1)
    order = []

    async def one(name: str) -> None:
        async with gate.enter(Claim(name), CONTEXT):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*map(one, "abc"))
    assert order == ["a", "b", "c"]
    assert (gate.running, gate.waiting) == (0, 0)


async def test_a_full_queue_refuses_and_says_so_beforehand() -> None:
    gate = turnstile(1, max_waiting=0)
    assert gate.refusal(Claim("a")) is None
    async with gate.enter(Claim("a"), CONTEXT):
        assert isinstance(gate.refusal(Claim("a")), Overloaded)
        with pytest.raises(Overloaded):
            await gate.enter(Claim("a"), CONTEXT).__aenter__()


async def test_one_cancelled_as_it_is_granted_gives_the_slot_back() -> None:
    gate = turnstile(1)
    first = gate.enter(Claim("a"), CONTEXT)
    await first.__aenter__()

    async def enter() -> None:
        async with gate.enter(Claim("b"), CONTEXT):
            pass

    waiting = asyncio.create_task(enter())
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (gate.running, gate.waiting) == (0, 0)


async def test_a_past_deadline_is_told() -> None:
    with pytest.raises(DeadlineExceeded):
        await turnstile(1).enter(Claim("a"), RequestContext("r", deadline_s=1.0)).__aenter__()
