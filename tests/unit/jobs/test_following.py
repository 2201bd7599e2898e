"""However many follow jobs, one look at the store tells all of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from fakes.jobs import job
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.job import JobEvent, Lease, Outcome
from tandem.pipeline.jobs import following as module
from tandem.pipeline.jobs.following import Following
from tandem.ports.jobs import Latest


class Looked(ScriptedJobs):
    """It counts the looks."""

    def __init__(self) -> None:
        super().__init__(ScriptedClock())
        self.looks: list[int] = []

    async def latest(self, job_ids: Sequence[str]) -> dict[str, Latest]:
        self.looks.append(len(job_ids))
        return await super().latest(job_ids)

    async def running(self, count: int) -> list[Lease]:
        await self.submit([job(number, at=0.0) for number in range(count)])
        return list(await self.claim("w", count, 30.0))


@asynccontextmanager
async def followed(jobs: ScriptedJobs, leaving: Sequence[bool] = ()) -> AsyncIterator[Following]:
    following = Following(jobs, lambda: bool(leaving))
    running = asyncio.create_task(following.run())
    try:
        yield following
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SOON_S", 0.005)
    monkeypatch.setattr(module, "_SLOWEST_S", 0.01)


async def looks(jobs: Looked, more: int) -> None:
    wanted = len(jobs.looks) + more
    async with asyncio.timeout(5):
        while len(jobs.looks) < wanted:
            await asyncio.sleep(0.002)


async def test_all_are_told_by_the_same_look_and_nobody_else() -> None:
    jobs = Looked()
    leases = await jobs.running(20)
    async with followed(jobs) as following, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(following.beyond(lease.job.id, 1)) for lease in leases for _ in range(5)]
        await looks(jobs, 3)
        assert set(jobs.looks) == {20}, "a job is looked at once, however many follow it"
        assert not any(each.done() for each in asked)
        await jobs.append(leases[7], [JobEvent("token", b"{}")])
        await looks(jobs, 2)
        assert [number for number, each in enumerate(asked) if each.done()] == list(range(35, 40))
        assert all(each.result() for each in asked[35:40])
        for lease in leases:
            await jobs.finish(lease, Outcome("succeeded"))
    assert all(each.result() for each in asked)


async def test_while_nobody_follows_nothing_is_looked_at() -> None:
    jobs = Looked()
    (lease,) = await jobs.running(1)
    async with followed(jobs) as following:
        await asyncio.sleep(0.03)
        assert jobs.looks == []
        waiting = asyncio.create_task(following.beyond(lease.job.id, 1))
        await looks(jobs, 2)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(0.02)
        seen = len(jobs.looks)
        await asyncio.sleep(0.03)
        assert len(jobs.looks) == seen


@pytest.mark.parametrize("fate", ["gone", "ended"])
async def test_who_waits_for_what_never_comes_is_told(fate: str) -> None:
    jobs = Looked()
    (lease,) = await jobs.running(1)
    async with followed(jobs) as following, asyncio.timeout(5):
        waiting = asyncio.create_task(following.beyond(lease.job.id, 10_000))
        await looks(jobs, 1)
        if fate == "gone":
            await jobs.forget(lease.job.tenant)
        else:
            await jobs.finish(lease, Outcome("succeeded"))
        assert not await waiting


async def test_a_process_that_leaves_lets_go_of_everybody() -> None:
    jobs, leaving = Looked(), list[bool]()
    (lease,) = await jobs.running(1)
    async with followed(jobs, leaving) as following, asyncio.timeout(5):
        waiting = asyncio.create_task(following.beyond(lease.job.id, 1))
        await looks(jobs, 1)
        leaving.append(True)
        assert not await waiting
        assert not await following.beyond(lease.job.id, 1), "whoever comes now follows elsewhere"


async def test_a_store_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Looked()
    (lease,) = await jobs.running(1)
    async with followed(jobs) as following, asyncio.timeout(5):
        jobs.fault = UpstreamUnavailable("The state store is away.")
        waiting = asyncio.create_task(following.beyond(lease.job.id, 1))
        await looks(jobs, 3)
        jobs.fault = None
        await jobs.finish(lease, Outcome("succeeded"))
        assert await waiting
    assert caplog.text.count("events of jobs wait for their store") == 1
