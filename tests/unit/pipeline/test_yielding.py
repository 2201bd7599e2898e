"""Work in the background ends as soon as its slot is wanted, wherever it is, and leaves nothing behind."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from fakes.pools import ASKED, CONTEXT, PROMPT, Meter, Server, dispatch, idle, pool, told
from tandem.domain.errors import Preempted, UpstreamUnavailable
from tandem.domain.question import Sampling
from tandem.pipeline.dispatching import Dispatch
from tandem.pipeline.yielding import Yielding

BATCH = replace(ASKED, background=True)


async def forever(to: Dispatch, at: str, reached: asyncio.Event) -> None:
    async with to.admit(BATCH, CONTEXT) as admitted:
        if at == "before the model":
            reached.set()
            await asyncio.Event().wait()
        async with admitted.stream(PROMPT, Sampling()) as events:
            await anext(events)
            reached.set()
            await asyncio.Event().wait()


@pytest.mark.parametrize("at", ["before the model", "first token", "stream"])
async def test_whoever_waits_gets_the_slot_at_once(at: str) -> None:
    server, meter = Server(*([asyncio.Event()] if at == "first token" else [])), Meter()
    one = pool("base", server, slots=1)
    to, reached = dispatch(one, meter=meter), asyncio.Event()
    batch = asyncio.create_task(forever(to, at, reached))
    while not (server.running if at == "first token" else reached.is_set()):
        await asyncio.sleep(0)
    began_s = asyncio.get_running_loop().time()
    assert (await told(to))[0] == "one two"
    assert asyncio.get_running_loop().time() - began_s < 0.4, "before it is taken away"
    with pytest.raises(Preempted) as gone:
        await batch
    assert gone.value.retryable
    assert batch.cancelling() == 0
    assert ("refused", "base", "preempted") in meter.told
    assert idle(one)
    assert not server.running
    assert [load.demand for load in to.load()] == [0]


async def test_a_cancellation_of_its_own_stays_one() -> None:
    one = pool("base", Server(), slots=1)
    to, reached = dispatch(one), asyncio.Event()
    batch = asyncio.create_task(forever(to, "stream", reached))
    await reached.wait()
    answer = asyncio.create_task(told(to))
    while not one.turnstile.waiting:
        await asyncio.sleep(0)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert (await answer)[0] == "one two"
    assert idle(one)


async def test_who_waits_in_the_background_is_left_alone() -> None:
    one = pool("base", Server(), slots=1)
    to = dispatch(one)
    async with AsyncExitStack() as held:
        await held.enter_async_context(to.admit(ASKED, CONTEXT))
        batch = asyncio.create_task(told(to, BATCH))
        while not one.turnstile.waiting_in_background:
            await asyncio.sleep(0)
        waiting = asyncio.create_task(told(to))
        while not one.turnstile.waiting:
            await asyncio.sleep(0)
        await held.aclose()
    assert (await waiting)[0] == "one two"
    assert (await batch)[0] == "one two"
    assert idle(one)


async def test_what_fails_while_it_leaves_was_still_preempted() -> None:
    async def fails() -> None:
        with Yielding() as yielding:
            yielding.wanted()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise UpstreamUnavailable("closed") from None

    with pytest.raises(Preempted):
        await fails()


async def test_one_that_is_over_in_the_same_step_is_not_cancelled() -> None:
    with Yielding() as yielding:
        yielding.wanted()
        yielding.wanted()
    await asyncio.sleep(0)


async def test_one_that_takes_no_notice_goes_on_and_is_not_cancelled_twice() -> None:
    with Yielding() as yielding:
        yielding.wanted()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yielding.wanted()
            await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
