"""The one process is killed while it reads a batch and while it answers it: each line comes out once."""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from component.asking import chat_server
from component.batching import begun, client, line, written
from component.deployments import Process, start, stop
from fakes.steady_llm import chat_stream

pytestmark = [pytest.mark.component, pytest.mark.timeout(600)]
# As the full proof has it: LINES=400 KILLS=20.
LINES, KILLS = int(os.environ.get("LINES", "120")), int(os.environ.get("KILLS", "3"))
BAD = {7: b"{broken\n", 50: line("q-1"), 90: line("q-90", n=2)}


class Model:
    """Answers so many as are `allowed`; the others wait until their caller is no more."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.allowed = self.answered = self.waiting = 0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.asked[(await request.json())["messages"][-1]["content"]] += 1
        self.waiting += 1
        try:
            while self.answered >= self.allowed:
                if request.transport is None or request.transport.is_closing():
                    raise ConnectionResetError
                await asyncio.sleep(0.01)
        finally:
            self.waiting -= 1
        self.answered += 1
        await asyncio.sleep(random.uniform(0.0, 0.05))
        return await chat_stream(request, "At seven.")

    async def busy(self, kill: int) -> None:
        """Nobody is answered any more, and somebody waits; not yet before the first kill."""
        async with asyncio.timeout(120):
            while kill and (self.answered < self.allowed or not self.waiting):
                await asyncio.sleep(0.01)


async def test_each_line_comes_out_once_whoever_is_killed(tmp_path: Path) -> None:
    model = Model()
    async with chat_server(model.chat) as url:
        env = {
            "TANDEM_PREDICTOR__URL": url,
            "TANDEM_PREDICTOR__PROTOCOL": "openai",
            "TANDEM_PREDICTOR__MODEL": "steady",
            "TANDEM_RETRIEVAL__ENABLED": "false",
            "TANDEM_JOBS__LEASE_S": "1",
            "TANDEM_JOBS__CONCURRENCY": "4",
        }

        async def serve() -> Process:
            return await asyncio.to_thread(start, "all", tmp_path, env)

        process = await serve()
        try:
            async with client(process.url) as ai:
                lines = [BAD.get(number) or line(f"q-{number}", f"What about {number}?") for number in range(LINES)]
                batch = await begun(ai, lines)
                batch_id = batch.id
            for kill in range(KILLS):
                # The first time while it is read, then while it is answered.
                model.allowed = LINES * kill // KILLS
                await model.busy(kill)
                await asyncio.sleep(random.uniform(0.0, 0.1))
                process.popen.kill()
                await asyncio.to_thread(process.wait)
                process = await serve()
            model.allowed = LINES * 2
            async with client(process.url) as ai, asyncio.timeout(60 + LINES):
                while (batch := await ai.batches.retrieve(batch_id)).status != "completed":
                    await asyncio.sleep(0.1)
                output, errors = await written(ai, batch.output_file_id), await written(ai, batch.error_file_id)
        finally:
            await asyncio.to_thread(stop, process)
    right = [f"q-{number}" for number in range(LINES) if number not in BAD]
    assert [each["custom_id"] for each in output] == right, "in the file's order, each once"
    assert [each["custom_id"] for each in errors] == [None, "q-1", "q-90"]
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.failed) == (LINES, len(BAD))
    assert len({each["response"]["request_id"] for each in output}) == len(right)
    assert set(model.asked.values()) <= set(range(1, KILLS + 2))
    assert max(model.asked.values()) > 1, "none was killed while it was answered"
