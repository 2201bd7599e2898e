"""A job gives its place at the model to whoever waits, is called off in the middle, and let go of: with real sockets, in time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from component.deployments import Process, start, stop
from fakes.faults import streaming, whole
from fakes.upstream import Call, Upstream, piece, upstream

ASKED = {"messages": [{"role": "user", "content": "When?"}]}
# The goals are one second and a tenth; a machine that others use may take its time between two steps of ours.
YIELDED_S, CALLED_OFF_S = 1.0, 0.5
# The time that running requests have to end, by default.
DRAIN_S = 30.0
_log = logging.getLogger(__name__)


class Model:
    """The first answer never ends, later ones do."""

    def __init__(self) -> None:
        self.upstream: Upstream
        self.answers: list[Call] = []

    async def say(self, call: Call) -> None:
        if "chat/completions" not in call.line:
            await call.answer(200, b'{"object":"list","data":[{"id":"m"}]}')
            return
        self.answers.append(call)
        await (streaming(piece("Well, "), then="stall") if len(self.answers) == 1 else whole)(call)


def one_slot(url: str) -> dict[str, Any]:
    """A pool in which one is answered at a time."""
    return {
        "name": "base",
        "endpoints": [{"url": url, "protocol": "openai", "model": "m"}],
        "admission": {"initial": 1, "min": 1, "max": 1},
        "model": {"id": "m", "engine": "openai", "context_tokens": 4096},
    }


@asynccontextmanager
async def busy(folder: Path) -> AsyncIterator[tuple[Model, Process, aiohttp.ClientSession, dict[str, Any]]]:
    """A pool of one slot, and a job that holds it."""
    model, config = Model(), folder.with_suffix(".yaml")
    async with upstream(model.say) as model.upstream:
        config.write_text(yaml.safe_dump({"pools": [one_slot(model.upstream.url)], "retrieval": {"enabled": False}}))
        process = await asyncio.to_thread(start, "all", folder, {}, "--config", str(config))
        try:
            async with aiohttp.ClientSession(process.url) as http, http.post("/v1/jobs", json=ASKED) as reply:
                job = await reply.json()
                assert reply.status == 202, job
                await until(lambda: bool(model.answers))
                yield model, process, http, job
        finally:
            await asyncio.to_thread(stop, process)


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not found():
            await asyncio.sleep(0.005)


async def ended(http: aiohttp.ClientSession, job: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            async with http.get(f"/v1/jobs/{job['id']}") as reply:
                now: dict[str, Any] = await reply.json()
            if now["status"] not in ("queued", "running"):
                return now
            await asyncio.sleep(0.05)


async def test_whoever_waits_gets_the_place_of_a_job(tmp_path: Path) -> None:
    async with busy(tmp_path / "one") as (model, _, http, job):
        began_s = time.perf_counter()
        async with http.post("/v1/chat/completions", json=ASKED) as reply:
            answer = await reply.json()
            assert reply.status == 200, answer
        took_s = time.perf_counter() - began_s
        _log.info("answered within %.3f s", took_s)
        assert took_s < YIELDED_S
        assert model.answers[0].left.is_set(), "what was generated for the job is heard by nobody"
        done = await ended(http, job)
        assert (done["status"], done["attempts"]) == ("succeeded", 1), "giving way is no attempt"
        assert done["result"]["choices"] == answer["choices"]
        async with http.get(f"/v1/jobs/{job['id']}/events") as reply:
            events = (await reply.text()).split("\n\n")
        kinds = [event.split("\n")[1] for event in events if event.startswith("id:")]
        assert kinds == [f"event: {kind}" for kind in ("status", "retry", "status", "token", "done")]


async def test_a_job_that_is_called_off_frees_its_place(tmp_path: Path) -> None:
    async with busy(tmp_path / "two") as (model, _, http, job):
        began_s = time.perf_counter()
        async with http.delete(f"/v1/jobs/{job['id']}") as reply:
            assert reply.status == 200
        async with asyncio.timeout(10):
            await model.answers[0].left.wait()
        took_s = time.perf_counter() - began_s
        _log.info("called off within %.3f s", took_s)
        assert took_s < CALLED_OFF_S
        assert (await ended(http, job))["status"] == "cancelled"
        async with http.post("/v1/chat/completions", json=ASKED) as reply:
            assert reply.status == 200


async def test_whoever_follows_a_job_does_not_hold_up_the_process_that_leaves(tmp_path: Path) -> None:
    async with (
        busy(tmp_path / "three") as (_, process, http, job),
        http.get(f"/v1/jobs/{job['id']}/events") as reply,
        asyncio.timeout(DRAIN_S / 2),
    ):
        assert (await reply.content.readuntil(b"\n\n")).startswith(b"id: 1\n")
        process.terminate()
        assert b"event: done" not in await reply.read()
        # The job's answer never ends: it goes back.
        assert await asyncio.to_thread(process.wait) == 0
