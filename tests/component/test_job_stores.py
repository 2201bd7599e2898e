"""Jobs are kept through workers that are killed, many workers at once, and a database that is restarted."""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from fakes.jobs import job
from fakes.postgres_server import PostgresServer, postgres_server
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.state import schema
from tandem.adapters.state.deliveries import StoredDeliveries
from tandem.adapters.state.jobs import StoredJobs
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.sqlite import sqlite_database
from tandem.domain.errors import TandemError
from tandem.domain.job import Job, Outcome
from tandem.ports.jobs import JobFilter

pytestmark = pytest.mark.component

T = TypeVar("T")
HOOK = "https://example.org/hook"
# Claims three at a time and ends them, until it is killed in between. `sys.argv`: where, and the instant it lives in.
WORKER = """
import asyncio, sys
from pathlib import Path
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.state.jobs import StoredJobs
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.sqlite import sqlite_database
from tandem.domain.job import JobEvent, Outcome

async def main(place, now):
    opened = postgres_database(place) if "://" in place else sqlite_database(Path(place))
    async with opened as database:
        jobs = StoredJobs(database, ScriptedClock(epoch_s=now))
        while leases := await jobs.claim("w-killed", 3, 30):
            for lease in leases:
                await jobs.append(lease, [JobEvent("token", b'"Half an answer"')])
                await jobs.finish(lease, Outcome("succeeded", lease.job.id.encode(), receipt_id=lease.job.id))
                print(lease.job.id, flush=True)

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


@asynccontextmanager
async def opened(place: str, clock: ScriptedClock) -> AsyncIterator[tuple[StoredJobs, StoredDeliveries]]:
    if "://" in place:
        async with postgres_database(place, migrates=True) as database:
            await database.write(schema.upgrade)
    async with postgres_database(place) if "://" in place else sqlite_database(Path(place)) as database:
        yield StoredJobs(database, clock), StoredDeliveries(database, clock)


def made(count: int, clock: ScriptedClock) -> list[Job]:
    return [
        replace(job(number, at=clock.epoch_s()), callback_url=HOOK, idempotency_key=f"k-{number}")
        for number in range(count)
    ]


async def killed_after(place: str, now: float, answers: int) -> None:
    """A worker that is killed while it does what comes behind so many answers."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, place, str(now), stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    for _ in range(answers):
        await process.stdout.readline()
    await asyncio.sleep(random.uniform(0, 0.02))
    process.kill()
    await process.communicate()


async def each_ended_once(jobs: StoredJobs, deliveries: StoredDeliveries, count: int) -> None:
    page = await jobs.page("acme", JobFilter(), limit=200)
    assert len(page.jobs) == count
    assert Counter(each.status for each in page.jobs) == {"succeeded": count}
    for each in page.jobs:
        kinds = [event.kind for event in await jobs.events("acme", each.id)]
        assert kinds.count("done") == 1 and kinds[-1] == "done"
        assert kinds.count("retry") == each.attempts - 1
    messages = await deliveries.claim(1_000, 30)
    assert Counter(each.job.id for each in messages) == Counter(each.id for each in page.jobs)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    running: PostgresServer = request.getfixturevalue("server")
    name = f"test_{os.getpid()}_{random.randrange(10**9)}"
    with psycopg.connect(running.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return running.url.rpartition("/")[0] + f"/{name}"


async def test_no_job_is_lost_or_ended_twice_by_workers_that_are_killed(place: str) -> None:
    clock = ScriptedClock()
    async with opened(place, clock) as (jobs, deliveries):
        await jobs.submit(made(40, clock))
        for answers in (1, 5, 8):
            await killed_after(place, clock.epoch_s(), answers)
            clock.advance(31)
        while leases := await jobs.claim("w-last", 10, 30):
            for lease in leases:
                assert await jobs.finish(lease, Outcome("succeeded", lease.job.id.encode()))
        await each_ended_once(jobs, deliveries, 40)


async def test_many_workers_at_once_get_every_job_once(place: str) -> None:
    clock = ScriptedClock()
    async with opened(place, clock) as (first, deliveries), opened(place, clock) as (second, _):
        await first.submit(made(60, clock))
        got: list[str] = []

        async def worker(jobs: StoredJobs, name: str) -> None:
            while leases := await jobs.claim(name, 2, 30):
                for lease in leases:
                    got.append(lease.job.id)
                    assert await jobs.renew([lease], 30) == frozenset()
                    assert await jobs.finish(lease, Outcome("succeeded"))

        await asyncio.gather(*(worker((first, second)[each % 2], f"w-{each}") for each in range(6)))
        assert max(Counter(got).values()) == 1
        await each_ended_once(first, deliveries, 60)


async def test_a_database_that_is_restarted_under_load_loses_and_doubles_nothing(server: PostgresServer) -> None:
    clock = ScriptedClock()
    async with opened(server.url, clock) as (jobs, deliveries):
        left = made(60, clock)
        refused: list[TandemError] = []
        ends = 0

        async def patient(call: Callable[[], Awaitable[T]]) -> T:
            while True:
                try:
                    return await call()
                except TandemError as error:
                    if not error.retryable:
                        raise
                    refused.append(error)
                    await asyncio.sleep(0.02)

        async def client() -> None:
            while left:
                await patient(partial(jobs.submit, [left.pop()]))

        async def worker(name: str) -> None:
            nonlocal ends
            while ends < 60:
                for lease in await patient(partial(jobs.claim, name, 3, 30)):
                    await patient(partial(jobs.finish, lease, Outcome("succeeded")))
                done = await patient(partial(jobs.page, "acme", JobFilter(status="succeeded"), limit=200))
                ends = len(done.jobs)
                # What was claimed in a transaction whose end nobody heard of is nobody's until its lease is over.
                clock.advance(1)

        async def restarts() -> None:
            for _ in range(2):
                await asyncio.sleep(0.1)
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)

        await asyncio.gather(*(client() for _ in range(4)), worker("w-1"), worker("w-2"), restarts())
        assert refused
        await each_ended_once(jobs, deliveries, 60)
