"""A batch is everybody's who shares its database: gateways answer its lines together, or leave them to workers."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import psycopg
import pytest
from aiohttp import web

from component.asking import chat_server, serving
from component.batching import begun, client, custom_ids, line, until
from component.deployments import TANDEM
from fakes.postgres_server import PostgresServer, postgres_server
from fakes.steady_llm import chat_stream

pytestmark = [pytest.mark.component, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        environment = {"TANDEM_STATE__URL": server.url}
        subprocess.run([TANDEM, "db", "upgrade"], env=environment, check=True, capture_output=True, timeout=120)
        yield server


class Model:
    """Each answer takes `pause_s`; `asked` tells how often which question was put."""

    def __init__(self) -> None:
        self.pause_s = 0.2
        self.asked: Counter[str] = Counter()
        self.running = 0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.asked[(await request.json())["messages"][-1]["content"]] += 1
        self.running += 1
        try:
            for _ in range(int(self.pause_s / 0.02)):
                if request.transport is None or request.transport.is_closing():
                    raise ConnectionResetError
                await asyncio.sleep(0.02)
        finally:
            self.running -= 1
        return await chat_stream(request, "At seven.")


@asynccontextmanager
async def shared(postgres: PostgresServer) -> AsyncIterator[tuple[Model, dict[str, object]]]:
    model = Model()
    async with chat_server(model.chat) as url:
        yield (
            model,
            {
                "predictor__url": url, "predictor__protocol": "openai", "predictor__model": "steady",
                "retrieval__enabled": "false", "vectors__url": "http://127.0.0.1:9", "state__url": postgres.url, "jobs__lease_s": 1, "jobs__concurrency": 4,
            },
        )  # fmt: skip


def workers(postgres: PostgresServer) -> Counter[str]:
    """How many lines each process runs now."""
    with psycopg.connect(postgres.url) as connection:
        rows = connection.execute("SELECT worker, count(*) FROM jobs WHERE status = 'running' GROUP BY worker")
        return Counter({str(worker): int(many) for worker, many in rows})


async def answered(ai: openai.AsyncOpenAI, batch_id: str, many: int) -> None:
    async with asyncio.timeout(60):
        while ((await ai.batches.retrieve(batch_id)).request_counts or NONE).completed < many:
            await asyncio.sleep(0.05)


NONE = openai.types.BatchRequestCounts(completed=0, failed=0, total=0)


async def test_gateways_share_a_batch_and_one_may_be_killed(postgres: PostgresServer, tmp_path: Path) -> None:
    async with (
        shared(postgres) as (model, env),
        serving("gateway", tmp_path / "one", **env) as one,
        serving("gateway", tmp_path / "two", **env) as two,
        client(one.url) as at_one,
        client(two.url) as at_two,
    ):
        batch = await begun(at_one, [line(f"q-{number}", f"What about {number}?") for number in range(80)])
        await answered(at_two, batch.id, 10)
        async with asyncio.timeout(20):
            # At one instant either may be between two lines.
            while len(await asyncio.to_thread(workers, postgres)) < 2:
                await asyncio.sleep(0.01)
        one.popen.kill()
        await asyncio.to_thread(one.wait)
        done = await until(at_two, await at_two.batches.retrieve(batch.id), within_s=120)
        assert done.status == "completed"
        output, errors = await custom_ids(at_two, done)
        assert (output, errors) == ([f"q-{number}" for number in range(80)], [])
        assert sum(model.asked.values()) <= 84, "only what the dead one ran was asked twice"


async def test_gateways_take_and_workers_answer(postgres: PostgresServer, tmp_path: Path) -> None:
    asked = [line(f"q-{number}", f"And what about {number}?") for number in range(40)]
    flags = ("--queues", "answers", "--queues", "batches")
    async with (
        shared(postgres) as (model, env),
        serving("gateway", tmp_path / "gateway", **env, worker__queues='["answers","batches"]') as gateway,
        client(gateway.url) as ai,
    ):
        batch = await begun(ai, asked)
        await asyncio.sleep(1.0)
        assert (await ai.batches.retrieve(batch.id)).status == "validating", "nobody is there to read it"
        async with serving("worker", tmp_path / "worker", *flags, **env) as worker:
            await answered(ai, batch.id, 8)
            worker.popen.kill()
            await asyncio.to_thread(worker.wait)
        left = (await ai.batches.retrieve(batch.id)).request_counts or NONE
        assert left.completed < 40
        async with asyncio.timeout(5):
            # Its connections are closed; the model may still have to hear of it.
            while model.running:
                await asyncio.sleep(0.02)
        async with serving("worker", tmp_path / "worker", *flags, **{**env, "jobs__lease_s": 60}) as worker:
            await answered(ai, batch.id, 20)
            # Told to end, it gives back what it runs: nobody waits for a minute's lease.
            model.pause_s = 30.0
            async with asyncio.timeout(20):
                while sum((await asyncio.to_thread(workers, postgres)).values()) < 4 or model.running < 4:
                    await asyncio.sleep(0.05)
            worker.terminate()
            assert await asyncio.to_thread(worker.wait) == 0
            assert not await asyncio.to_thread(workers, postgres)
        model.pause_s = 0.1
        async with serving("worker", tmp_path / "worker", *flags, **env):
            done = await until(ai, await ai.batches.retrieve(batch.id), within_s=120)
            assert done.status == "completed"
            output, errors = await custom_ids(ai, done)
            assert (output, errors) == ([f"q-{number}" for number in range(40)], [])
