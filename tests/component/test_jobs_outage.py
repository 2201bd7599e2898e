"""The database is restarted, and whoever is to be told is away: each job is answered once, and told of under one id."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from component.deployments import TANDEM, Process, start, stop
from fakes.faults import whole
from fakes.postgres_server import PostgresServer, postgres_server
from fakes.upstream import Call, Upstream, upstream

pytestmark = pytest.mark.timeout(300)
# As the full proof has it: DOWN_S=60.
JOBS, DOWN_S = 120, float(os.environ.get("DOWN_S", "8"))


async def model(call: Call) -> None:
    if "chat/completions" in call.line:
        await whole(call)
    else:
        await call.answer(200, b'{"object":"list","data":[{"id":"m"}]}')


async def taken(call: Call) -> None:
    await call.answer(204, b"")


@asynccontextmanager
async def serving(folder: Path, database: PostgresServer, answers: Upstream) -> AsyncIterator[Process]:
    pool = {
        "name": "base",
        "endpoints": [{"url": answers.url, "protocol": "openai", "model": "m"}],
        "model": {"id": "m", "engine": "openai", "context_tokens": 4096},
    }
    config = folder / "tandem.yaml"
    settings: dict[str, Any] = {
        "pools": [pool],
        "retrieval": {"enabled": False},
        "state": {"url": database.url},
        "jobs": {"webhooks": {"secret": "0123456789abcdefghijklmnop", "allow_private": True}, "lease_s": 3},
    }
    config.write_text(yaml.safe_dump(settings))
    upgraded = await asyncio.create_subprocess_exec(TANDEM, "db", "upgrade", "--config", str(config))
    assert await upgraded.wait() == 0
    process = await asyncio.to_thread(start, "all", folder / "all", {}, "--config", str(config))
    try:
        yield process
    finally:
        await asyncio.to_thread(stop, process)


async def submitted(http: aiohttp.ClientSession, number: int, callback_url: str) -> str:
    """As a careful client does: again under its key until it is told of a job."""
    body = {
        "messages": [{"role": "user", "content": f"When is the {number}th?"}],
        "callback_url": callback_url,
        "idempotency_key": f"n-{number}",
    }
    while True:
        async with http.post("/v1/jobs", json=body) as reply:
            told = await reply.json()
            if reply.status == 202:
                return str(told["id"])
            assert reply.status == 503, told
        await asyncio.sleep(0.1)


async def ended(http: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
    while True:
        async with http.get(f"/v1/jobs/{job_id}") as reply:
            job: dict[str, Any] = await reply.json()
            if reply.status == 200 and job["ended_at"] is not None:
                return job
        await asyncio.sleep(0.2)


async def told(hook: Upstream, ids: list[str]) -> None:
    while {json.loads(call.body)["data"]["id"] for call in hook.calls} < set(ids):
        await asyncio.sleep(0.2)


async def test_a_restarted_database_and_a_receiver_that_is_away_lose_and_double_nothing(tmp_path: Path) -> None:
    with postgres_server() as database:
        async with upstream(model) as answers, serving(tmp_path, database, answers) as process:
            async with upstream(taken) as hook:
                port = hook.port
            callback_url, away_s = f"http://127.0.0.1:{port}/hook", time.monotonic()
            async with aiohttp.ClientSession(process.url) as http, asyncio.timeout(DOWN_S + 200):

                async def client(numbers: range) -> list[str]:
                    return [await submitted(http, number, callback_url) for number in numbers]

                async def restarts() -> None:
                    for _ in range(2):
                        await asyncio.sleep(0.5)
                        await asyncio.to_thread(database.stop)
                        await asyncio.to_thread(database.start)

                *kept, _ = await asyncio.gather(*(client(range(each, JOBS, 4)) for each in range(4)), restarts())
                ids = [job_id for each in kept for job_id in each or ()]
                jobs = [await ended(http, job_id) for job_id in ids]
                await asyncio.sleep(max(0.0, DOWN_S - (time.monotonic() - away_s)))
                async with upstream(taken, port=port) as hook:
                    await told(hook, ids)
    assert len(set(ids)) == JOBS
    assert Counter(job["status"] for job in jobs) == {"succeeded": JOBS}
    assert len({job["receipt_id"] for job in jobs}) == JOBS
    names: dict[str, set[str]] = {}
    for call in hook.calls:
        names.setdefault(json.loads(call.body)["data"]["id"], set()).add(call.headers["webhook-id"])
    assert {job_id: len(each) for job_id, each in names.items()} == dict.fromkeys(ids, 1)
