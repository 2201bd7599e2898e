"""What the queue of jobs costs, and whether it is fair: PostgreSQL, each commit on the disk.

    scripts/bench queue [--rounds 60] [--json]

Prints one object per figure and line, {"name", "value", "goal", "ok"}; exits 1 when a goal is missed. `submit_per_s` is of
50 clients that submit one job at a time, each waiting until it is kept; `submit_ms_p50` of one alone. `claim_10k_vs_100`
is the median time of a claim with 10,000 jobs queued by that with 100, the two in turn on one server. `cycle_ms_p50` is
from a claim to the job's kept end. `fairness_jain` is Jain's index of what nine tenants with a few jobs each and one with
ten times as many get of the first claims. `low_after` is how many jobs of high priority, which keep coming, go before one
of low priority.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from fakes.jobs import job  # noqa: E402
from fakes.postgres_server import postgres_server  # noqa: E402
from tandem.adapters.state import schema  # noqa: E402
from tandem.adapters.state.jobs import StoredJobs  # noqa: E402
from tandem.adapters.state.postgres import postgres_database  # noqa: E402
from tandem.app.clock import SystemClock  # noqa: E402
from tandem.domain.job import Job, Outcome  # noqa: E402
from tandem.domain.tenants import Priority  # noqa: E402

# About 2,000 characters, as questions with a conversation before them have.
BODY = json.dumps({"model": "tandem", "messages": [{"role": "user", "content": "How long is it? " * 120}]}).encode()
ANSWER = Outcome("succeeded", BODY, receipt_id="rcpt-1")
CLIENTS = 50
GOALS = {"submit_per_s": 500.0, "claim_10k_vs_100": 1.3, "fairness_jain": 0.99, "low_after": 40.0}
AT_LEAST = {"submit_per_s", "fairness_jain"}


def jobs(count: int, tenant: str, priority: Priority = Priority.normal, first: int = 0) -> list[Job]:
    """With bodies of their own size, not of a test's."""
    return [job(first + number, tenant, at=time.time(), priority=priority, body=BODY) for number in range(count)]


@asynccontextmanager
async def store(server: str, name: str) -> AsyncIterator[StoredJobs]:
    """In a database of its own."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = server.rpartition("/")[0] + f"/{name}"
    async with postgres_database(url, migrates=True) as database:
        await database.write(schema.upgrade)
    async with postgres_database(url, timeout_s=60) as database:
        yield StoredJobs(database, SystemClock())


async def fill(into: StoredJobs, count: int) -> None:
    """By hundred tenants."""
    for tenant in range(100):
        await into.submit(jobs(count // 100, f"t{tenant:02}"))


async def submitted(into: StoredJobs, count: int) -> float:
    """Jobs a second."""
    left = jobs(count, "many")

    async def client() -> None:
        while left:
            await into.submit([left.pop()])

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count / (time.perf_counter() - began)


async def alone(into: StoredJobs, rounds: int) -> float:
    """Milliseconds, the median."""
    took = []
    for each in jobs(rounds, "alone"):
        began = time.perf_counter()
        await into.submit([each])
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


async def claimed(short: StoredJobs, long: StoredJobs, rounds: int) -> tuple[float, float]:
    """Milliseconds of a claim of one, the median of each. What is claimed is put back, so that as many wait."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for queue, into in zip((short, long), took, strict=True):
            began = time.perf_counter()
            (lease,) = await queue.claim("w", 1, 60)
            into.append(time.perf_counter() - began)
            await queue.release(lease)
    return statistics.median(took[0]) * 1e3, statistics.median(took[1]) * 1e3


async def cycle(queue: StoredJobs, rounds: int) -> float:
    """Milliseconds, the median."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        (lease,) = await queue.claim("w", 1, 60)
        if not await queue.finish(lease, ANSWER):
            raise RuntimeError("a lease was lost that nobody else could have")
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


async def fairness(queue: StoredJobs) -> float:
    """While all of them have some waiting."""
    await queue.submit(jobs(300, "hoarder"))
    for tenant in range(9):
        await queue.submit(jobs(30, f"small-{tenant}"))
    got: Counter[str] = Counter()
    for _ in range(20):
        got.update(lease.job.tenant for lease in await queue.claim("w", 10, 60))
    shares = [float(got[tenant]) for tenant in ("hoarder", *(f"small-{number}" for number in range(9)))]
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


async def low_after(queue: StoredJobs, most: int = 200) -> int:
    """`most` when it did not come."""
    await queue.submit(jobs(1, "acme", Priority.low))
    before = 0
    while before < most:
        await queue.submit(jobs(10, "acme", Priority.high, first=before * 10))
        for lease in await queue.claim("w", 5, 60):
            if lease.job.priority is Priority.low:
                return before
            before += 1
    return most


async def figures(server: str, rounds: int) -> dict[str, float]:
    """Every figure by its name."""
    async with store(server, "short") as short, store(server, "long") as long:
        await fill(short, 100)
        await fill(long, 10_000)
        at_100, at_10k = await claimed(short, long, rounds)
        found = {"claim_ms_100": at_100, "claim_ms_10k": at_10k, "claim_10k_vs_100": at_10k / at_100}
        found["cycle_ms_p50"] = await cycle(long, rounds)
        found["submit_per_s"] = await submitted(long, 3_000)
        found["submit_ms_p50"] = await alone(long, rounds)
    async with store(server, "fair") as fair:
        found["fairness_jain"] = await fairness(fair)
    async with store(server, "low") as low:
        found["low_after"] = await low_after(low)
    return found


def row(name: str, value: float) -> dict[str, Any]:
    """As every benchmark prints it."""
    goal = GOALS.get(name)
    ok = None if goal is None else value >= goal if name in AT_LEAST else value <= goal
    return {"name": name, "value": round(value, 3), "goal": goal, "ok": ok}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description="What the queue of jobs costs.")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="one object per line")
    options = parser.parse_args(argv)
    try:
        with postgres_server(syncs=True) as server:
            found = asyncio.run(figures(server.url, options.rounds))
    except pytest.skip.Exception as missing:
        print(json.dumps({"name": "submit_per_s", "value": None, "goal": 500.0, "ok": None, "reason": str(missing)}))
        return 0
    rows = [row(name, value) for name, value in found.items()]
    for each in rows:
        print(json.dumps(each) if options.json else f"{each['name']:<18} {each['value']:>10} goal {each['goal']}")
    return 1 if any(each["ok"] is False for each in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
