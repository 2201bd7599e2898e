"""Whoever answers jobs may be killed at any moment: each job is answered, and has one answer."""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fakes.job_workers import TOKENS
from fakes.jobs import job
from tandem.adapters.state.deliveries import StoredDeliveries
from tandem.adapters.state.jobs import StoredJobs
from tandem.adapters.state.sqlite import sqlite_database
from tandem.app.clock import SystemClock
from tandem.domain.job import Job

# As the full proof has it: JOBS=500 KILLS=50.
JOBS, KILLS = int(os.environ.get("JOBS", "100")), int(os.environ.get("KILLS", "8"))
TEXT = "".join(f"{number} " for number in range(TOKENS))
TESTS = Path(__file__).parents[1]


class Workers:
    """Two at any time."""

    def __init__(self, parent: asyncio.subprocess.Process) -> None:
        self._parent = parent
        self._pids: list[int] = []

    async def spawn(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(b"\n")
        self._pids.append(int(await self._parent.stdout.readline()))

    def kill(self, pid: int | None = None) -> None:
        pid = pid or random.choice(self._pids)
        self._pids.remove(pid)
        os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        for pid in list(self._pids):
            self.kill(pid)
        self._parent.kill()


@asynccontextmanager
async def workers(file: Path, ledger: Path) -> AsyncIterator[Workers]:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fakes.job_workers", str(file), str(ledger),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=TESTS,
    )  # fmt: skip
    crew = Workers(parent)
    try:
        for _ in range(2):
            await crew.spawn()
        yield crew
    finally:
        crew.end()
        await parent.wait()


async def all_ended(jobs: StoredJobs, asked: list[Job]) -> bool:
    return not await jobs.waiting("acme", most=len(asked))


async def test_each_job_has_one_answer_whoever_is_killed(tmp_path: Path) -> None:
    clock, ledger = SystemClock(), tmp_path / "ledger"
    async with sqlite_database(tmp_path / "state.db") as database:
        jobs, deliveries = StoredJobs(database, clock), StoredDeliveries(database, clock)
        asked = [job(number, at=clock.epoch_s(), callback_url="https://example.com/told") for number in range(JOBS)]
        await jobs.submit(asked)
        killed = 0
        async with workers(tmp_path / "state.db", ledger) as crew, asyncio.timeout(JOBS * 0.5 + 60):
            while not await all_ended(jobs, asked):
                await asyncio.sleep(random.uniform(0.05, 0.3))
                if killed < KILLS:
                    crew.kill()
                    killed += 1
                    await crew.spawn()
        assert killed == KILLS, "there was nothing left to kill them at"
        ends = [await jobs.job(one.tenant, one.id) for one in asked]
        events = [await jobs.events(one.tenant, one.id) for one in asked]
        told = await deliveries.claim(10 * JOBS, 60)
    assert Counter(end.status for end in ends if end is not None) == {"succeeded": JOBS}
    receipts = set()
    for end, written in zip(ends, events, strict=True):
        assert end is not None
        receipt, text = json.loads(end.result)
        assert (receipt, text) == (end.receipt_id, TEXT)
        receipts.add(receipt)
        assert [event.kind for event in written].count("done") == 1
        assert written[-1].kind == "done"
        last = max(n for n, event in enumerate(written) if event.kind == "status")
        said = [json.loads(event.data)["text"] for event in written[last:] if event.kind == "token"]
        assert "".join(said) == TEXT, "what came of an attempt that broke off is void"
    assert len(receipts) == JOBS
    assert sorted(each.job.id for each in told) == sorted(one.id for one in asked)
    began = Counter(ledger.read_text().split())
    assert set(began) == {one.id for one in asked}
    assert max(began.values()) > 1, "none was killed while it was answered"
