"""Seats of a process that answers jobs: those who only wait do not keep them from others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tandem.domain.answer import AnswerEvent
from tandem.domain.context import RequestContext
from tandem.domain.generation import Token
from tandem.domain.question import Question
from unit.jobs.test_running import END, FOUND, Flow


class Pools:
    """Each tenant may use a pool of its own: those of `full` tenants have no slot free."""

    def __init__(self, *full: str) -> None:
        self.full = {name: asyncio.Event() for name in full}
        self.waiting: list[str] = []
        self.answered: list[str] = []

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        context.progress.stage = "queue"
        if context.tenant in self.full:
            self.waiting.append(context.tenant)
            try:
                await self.full[context.tenant].wait()
            finally:
                self.waiting.remove(context.tenant)
        context.progress.stage = "retrieval"

        async def events() -> AsyncIterator[AnswerEvent]:
            yield FOUND
            yield Token("Yes.")
            yield END
            self.answered.append(context.tenant)

        yield events()


async def until_waiting(pools: Pools, *tenants: str) -> None:
    async with asyncio.timeout(5):
        while sorted(pools.waiting) != sorted(tenants):
            await asyncio.sleep(0.002)


async def test_jobs_that_wait_for_a_full_pool_give_their_seats_to_others() -> None:
    pools = Pools("stuck")
    flow = Flow(pools, concurrency=4)
    async with flow.runs():
        for number in range(20):
            await flow.submitted(number, "stuck")
        await until_waiting(pools, *["stuck"] * 4)
        small = [await flow.submitted(number, "small") for number in range(10)]
        flow.runner.ring()
        await asyncio.sleep(0.02)
        assert pools.answered == [], "who has waited for a moment only keeps its seat"
        flow.clock.advance(2.1)
        for each in small:
            await flow.until(each, "succeeded")
        assert pools.waiting.count("stuck") >= 2, "and keeps its share"
    assert {each.job.attempts for each in flow.jobs.held.values() if each.job.tenant == "stuck"} == {0}


async def test_while_nobody_else_has_jobs_they_wait_on() -> None:
    pools = Pools("stuck")
    flow = Flow(pools, concurrency=2)
    async with flow.runs():
        asked = [await flow.submitted(number, "stuck") for number in range(6)]
        await until_waiting(pools, "stuck", "stuck")
        flow.clock.advance(100.0)
        await asyncio.sleep(0.03)
        assert ("back", "unseated") not in flow.counted.told
        pools.full["stuck"].set()
        for each in asked:
            await flow.until(each, "succeeded")


async def test_tenants_that_all_wait_have_as_many_seats_each() -> None:
    pools = Pools("one", "two")
    flow = Flow(pools, concurrency=4)
    async with flow.runs():
        for number in range(8):
            await flow.submitted(number, "one")
        await until_waiting(pools, *["one"] * 4)
        for number in range(8):
            await flow.submitted(number, "two")
        async with asyncio.timeout(10):
            while sorted(pools.waiting) != ["one", "one", "two", "two"]:
                flow.clock.advance(2.1)
                await asyncio.sleep(0.03)
        back = len(flow.counted.told)
        flow.clock.advance(2.1)
        await asyncio.sleep(0.03)
        assert len(flow.counted.told) == back, "nobody gains by going on to change seats"


async def test_one_that_is_answered_is_left_in_peace() -> None:
    pools = Pools("stuck")
    flow = Flow(pools, concurrency=1)
    held = asyncio.Event()
    async with flow.runs():
        first = await flow.submitted(0, "stuck")
        await until_waiting(pools, "stuck")
        finish = flow.jobs.finish

        async def slow(*arguments: object) -> bool:
            await held.wait()
            return await finish(*arguments)  # type: ignore[arg-type]

        flow.jobs.finish = slow  # type: ignore[method-assign, assignment]
        pools.full["stuck"].set()
        await until_waiting(pools)
        await flow.submitted(0, "small")
        flow.clock.advance(100.0)
        await asyncio.sleep(0.03)
        assert (await flow.now(first)).status == "running"
        held.set()
        assert (await flow.until(first, "succeeded")).attempts == 1
