"""Background of one process leaves the model to people of another, within a second, as long as those are there."""

import asyncio
from typing import Self

import pytest

from tandem.adapters.scripted.demand import ScriptedDemand
from tandem.adapters.scripted.virtual_time import LoopClock, at_once
from tandem.admission.claim import Claim
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.slot import Slot
from tandem.admission.turnstile import Turnstile
from tandem.domain.context import RequestContext
from tandem.pipeline.yielding_elsewhere import YieldingElsewhere
from tandem.ports.demand import Told

CONTEXT = RequestContext("r")
PEOPLE, BATCH = Claim("people"), Claim("batch", background=True)
SLOTS = 4


class Process:
    """One with a pool that all share."""

    def __init__(self, name: str, demand: ScriptedDemand) -> None:
        clock = LoopClock()
        limit = AdaptiveLimit(initial=SLOTS, least=SLOTS, most=SLOTS, clock=clock)
        self.gate = Turnstile(limit, max_waiting=9, max_wait_s=60, clock=clock)
        self.task = asyncio.create_task(
            YieldingElsewhere({"base": self.gate}, demand, clock, process=name).run(), name=name
        )

    async def work(self) -> None:
        """In the background, until it is wanted, again and again."""
        while True:
            slot = await self.gate.take(BATCH, CONTEXT)
            wanted = asyncio.Event()
            slot.when_recalled(wanted.set)
            try:
                await wanted.wait()
            finally:
                slot.free()

    async def people(self, count: int) -> list[Slot]:
        return [await self.gate.take(PEOPLE, CONTEXT) for _ in range(count)]

    async def ended(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class Scene:
    """A gateway, and a worker whose background has taken every slot."""

    def __init__(self) -> None:
        self.demand = ScriptedDemand()
        self.gateway, self.worker = Process("gateway", self.demand), Process("worker", self.demand)
        self.jobs = [asyncio.create_task(self.worker.work()) for _ in range(SLOTS)]

    async def __aenter__(self) -> Self:
        await asyncio.sleep(1)
        assert self.worker.gate.in_background == SLOTS
        return self

    async def __aexit__(self, *_: object) -> None:
        for job in self.jobs:
            job.cancel()
        await asyncio.wait(self.jobs)
        await self.gateway.ended()
        await self.worker.ended()


def test_people_of_another_process_have_their_slots_within_a_second() -> None:
    async def main() -> None:
        async with Scene() as scene:
            slots = await scene.gateway.people(2)
            await asyncio.sleep(1)
            assert scene.worker.gate.in_background <= 2
            slots += await scene.gateway.people(2)
            await asyncio.sleep(1)
            assert scene.worker.gate.in_background == 0
            await asyncio.sleep(20)
            assert scene.worker.gate.in_background == 0, "as long as they are there"
            for slot in slots:
                slot.free()
            await asyncio.sleep(1)
            assert scene.worker.gate.in_background == SLOTS

    at_once(main())


def test_who_came_and_went_between_two_looks_was_there() -> None:
    async def main() -> None:
        async with Scene() as scene:
            await asyncio.sleep(0.05)
            for slot in await scene.gateway.people(SLOTS):
                slot.free()
            left = False
            for _ in range(100):
                await asyncio.sleep(0.01)
                left |= scene.worker.gate.in_background < SLOTS
            assert left

    at_once(main())


@pytest.mark.parametrize("killed", [True, False])
def test_a_process_that_is_gone_holds_nothing(killed: bool) -> None:
    async def main() -> None:
        async with Scene() as scene:
            await scene.gateway.people(SLOTS)
            await asyncio.sleep(1)
            assert scene.worker.gate.in_background == 0
            if killed:
                left = dict(scene.demand.rows)
                await scene.gateway.ended()
                scene.demand.rows = left
            else:
                await scene.gateway.ended()
                assert "gateway" not in scene.demand.rows
            await asyncio.sleep(5)
            assert scene.worker.gate.in_background == SLOTS
            await asyncio.sleep(60)
            assert "gateway" not in scene.demand.rows, "nor a row for ever"

    at_once(main())


def test_without_the_store_each_is_alone() -> None:
    async def main() -> None:
        async with Scene() as scene:
            await scene.gateway.people(SLOTS)
            await asyncio.sleep(1)
            scene.demand.away = True
            await asyncio.sleep(1)
            assert scene.worker.gate.in_background == SLOTS
            scene.demand.away = False
            await asyncio.sleep(2)
            assert scene.worker.gate.in_background == 0

    at_once(main())


def test_nobody_writes_while_nobody_is_there() -> None:
    async def main() -> None:
        async with Scene() as scene:
            assert scene.demand.rows == {}
            scene.demand.rows["other"] = Told(1, {"another pool": 3})
            await asyncio.sleep(1)
            assert scene.worker.gate.in_background == SLOTS, "its pools are not ours"

    at_once(main())
