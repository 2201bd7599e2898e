"""Records of a real process: none is lost when it is told to leave, few when it is killed, none twice in one spool.

`TANDEM_TEST_KILLS` (2) is how often a process is killed.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from component.asking import Model, model, serving
from component.deployments import TANDEM, Process

pytestmark = pytest.mark.component
KILLS = int(os.environ.get("TANDEM_TEST_KILLS", "2"))
INTERVAL_S = 0.4
SPOOLED = {
    "predictor__protocol": "openai",
    "predictor__model": "steady",
    "retrieval__enabled": "false",
    "monitor__receipts__enabled": "false",
    # Standard output and error go into one file here: lines of both would meet in the middle.
    "log__level": "error",
    "monitor__spool__fsync_interval_s": str(INTERVAL_S),
}


class Asked:
    """Ids of answers as clients got them, and when."""

    def __init__(self) -> None:
        self.ended_s: dict[str, float] = {}
        self.broken = 0

    async def client(self, url: str) -> None:
        """One question after the other until the process is gone."""
        body = {"messages": [{"role": "user", "content": "Go on."}]}
        async with aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.post(f"{url}/v1/chat/completions", json=body) as reply:
                        told = await reply.json()
                except (aiohttp.ClientError, OSError):
                    self.broken += 1
                    return
                if reply.status == 200:
                    self.ended_s[told["tandem"]["receipt_id"]] = time.monotonic()
                elif reply.status == 503:
                    return

    @contextlib.asynccontextmanager
    async def storm(self, url: str, clients: int = 12) -> AsyncIterator[None]:
        """Many at a time, until the process is gone."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(clients):
                tasks.create_task(self.client(url))
            yield


def printed(process: Process) -> list[str]:
    """Ids of the records on the standard output, in order."""
    lines = process.log.read_text(errors="replace").splitlines()
    return [json.loads(line)["record"]["id"] for line in lines if line.startswith('{"tandem":"answer"')]


async def wait(process: Process) -> int:
    return await asyncio.to_thread(process.wait, 60)


async def test_told_to_leave_under_load_it_ships_every_record(tmp_path: Path) -> None:
    asked = Asked()
    async with (
        model() as upstream,
        serving("all", tmp_path, predictor__url=upstream.url, monitor__stdout__enabled="true", **SPOOLED) as process,
    ):
        async with asked.storm(process.url):
            await asyncio.sleep(1.5)
            process.terminate()
        assert await wait(process) == 0
    got = printed(process)
    assert len(asked.ended_s) > 50
    assert set(asked.ended_s) <= set(got)
    assert len(set(got)) == len(got)


async def test_told_to_leave_while_the_collector_is_away_it_keeps_every_record_for_the_next_process(
    tmp_path: Path,
) -> None:
    asked = Asked()
    away = {"monitor__otlp__enabled": "true", "monitor__otlp__endpoint": "http://127.0.0.1:9"}
    async with model() as upstream:
        async with serving("all", tmp_path, predictor__url=upstream.url, **SPOOLED, **away) as process:
            async with asked.storm(process.url):
                await asyncio.sleep(1)
                process.terminate()
            began_s = time.monotonic()
            assert await wait(process) == 0
            assert time.monotonic() - began_s < 10
        got = await next_process(tmp_path, upstream)
    assert len(asked.ended_s) > 20
    assert set(asked.ended_s) <= set(got)


async def next_process(folder: Path, upstream: Model) -> list[str]:
    """What the process after it prints of the same spool."""
    async with serving(
        "all", folder, predictor__url=upstream.url, monitor__stdout__enabled="true", **SPOOLED
    ) as process:
        got: list[str] = []
        for _ in range(100):
            before, got = got, printed(process)
            if got and got == before:
                break
            await asyncio.sleep(0.1)
        process.terminate()
        await wait(process)
    return printed(process)


@pytest.mark.parametrize("round_", range(KILLS))
async def test_killed_at_any_moment_it_loses_no_more_than_the_settings_say(tmp_path: Path, round_: int) -> None:
    chance = random.Random(round_ + time.time_ns())
    asked = Asked()
    away = {"monitor__otlp__enabled": "true", "monitor__otlp__endpoint": "http://127.0.0.1:9"}
    async with model() as upstream:
        async with serving("all", tmp_path, predictor__url=upstream.url, **SPOOLED, **away) as process:
            async with asked.storm(process.url):
                await asyncio.sleep(chance.uniform(0.5, 1.5))
                process.popen.send_signal(signal.SIGKILL)
                killed_s = time.monotonic()
            await wait(process)
        got = await next_process(tmp_path, upstream)
    lost = {receipt: killed_s - at_s for receipt, at_s in asked.ended_s.items() if receipt not in set(got)}
    assert len(asked.ended_s) > 20
    assert not [age_s for age_s in lost.values() if age_s > INTERVAL_S + 0.1], lost
    assert len(set(got)) == len(got)


@contextlib.contextmanager
def started(folder: Path, data: Path) -> Iterator["subprocess.Popen[str]"]:
    """A second process on the same spool."""
    env = {
        **os.environ,
        "TANDEM_MONITOR__SPOOL__DIR": str(data / "monitor"),
        "TANDEM_MONITOR__STDOUT__ENABLED": "true",
        "TANDEM_RETRIEVAL__ENABLED": "false",
    }
    words: list[str | Path] = [TANDEM, "serve", "--target", "all", "--port", "0", "--data-dir", str(folder)]
    with subprocess.Popen(
        words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as second:
        yield second


async def test_a_second_process_on_one_spool_is_refused_by_one_line_that_names_the_first(tmp_path: Path) -> None:
    async with (
        model() as upstream,
        serving(
            "all", tmp_path / "first", predictor__url=upstream.url, monitor__stdout__enabled="true", **SPOOLED
        ) as process,
    ):
        with started(tmp_path / "second", tmp_path / "first" / "data") as second:
            told, _ = await asyncio.to_thread(second.communicate, None, 60)
        assert second.returncode == 1
        assert f"process {process.popen.pid} " in told.replace("\n", " ")
        assert "monitor.spool.dir" in told
        assert "Traceback" not in told
