"""SIGTERM, as a rolling restart sends it: nobody's answer ends in silence, and nobody keeps the process from ending.

`TANDEM_TEST_DRAIN_ROUNDS` (2) is how often the storm is repeated.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from component.deployments import Process, start
from fakes.edge import Client, connected, post

ROUNDS = int(os.environ.get("TANDEM_TEST_DRAIN_ROUNDS", "2"))
STREAMS = 64
LLM = Path(__file__).parents[1] / "fakes/steady_llm.py"
BODY = {"model": "tandem", "stream": True, "messages": [{"role": "user", "content": "Go on."}]}
pytestmark = pytest.mark.component


@contextlib.contextmanager
def steady(tokens: int, gap_ms: float) -> Iterator[str]:
    """The URL of a model of fixed pace, in a process of its own."""
    flags = ["--tokens", str(tokens), "--gap-ms", str(gap_ms)]
    with subprocess.Popen([sys.executable, LLM, *flags], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as llm:
        assert llm.stdout is not None
        try:
            yield llm.stdout.readline().decode().strip()
        finally:
            llm.kill()


@contextlib.contextmanager
def tandem(folder: Path, llm: str, **server: str) -> Iterator[Process]:
    """A monolith in front of `llm`, without retrieval."""
    env = {"TANDEM_PREDICTOR__URL": llm, "TANDEM_PREDICTOR__PROTOCOL": "openai", "TANDEM_PREDICTOR__MODEL": "steady",
           "TANDEM_RETRIEVAL__ENABLED": "false", "TANDEM_ADMISSION__INITIAL": "128",
           **{f"TANDEM_SERVER__{name.upper()}": value for name, value in server.items()}}  # fmt: skip
    process = start("all", folder, env)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
            process.wait()


@asynccontextmanager
async def session(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(60)
    ) as http:
        yield http


async def streamed(http: aiohttp.ClientSession, begun: "asyncio.Semaphore | None" = None) -> str:
    """The text of one stream; a broken connection raises. `begun` is released with the first piece."""
    async with http.post("/v1/chat/completions", json=BODY) as reply:
        assert reply.status == 200, await reply.text()
        text = ""
        async for piece in reply.content.iter_any():
            if not text and begun is not None:
                begun.release()
            text += piece.decode()
        return text


def ending(text: str) -> str:
    """`done`, the code of the error event, or `cut`."""
    last = text.rstrip("\n").rpartition("\n\n")[2]
    if last == "data: [DONE]":
        return "done"
    with contextlib.suppress(ValueError):
        event = json.loads(last.removeprefix("data: "))
        return str(event["error"]["code"]) if "error" in event else "cut"
    return "cut"


async def storm(process: Process, after_s: float = 0.0) -> list[str]:
    """How every stream ended when SIGTERM came under all of them."""
    begun = asyncio.Semaphore(0)
    async with session(process.url) as http, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        streams = [tasks.create_task(streamed(http, begun)) for _ in range(STREAMS)]
        for _ in range(STREAMS):
            await begun.acquire()
        await asyncio.sleep(after_s)
        process.terminate()
    return [ending(stream.result()) for stream in streams]


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_sigterm_under_64_streams_lets_each_come_to_its_end(tmp_path: Path, number: int) -> None:
    with steady(tokens=40, gap_ms=20) as llm, tandem(tmp_path, llm) as process:
        ends = await storm(process, after_s=0.05 * number)
        assert ends == ["done"] * STREAMS
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_requests_that_come_during_the_delay_are_served_and_idle_connections_closed(tmp_path: Path) -> None:
    with steady(tokens=5, gap_ms=5) as llm, tandem(tmp_path, llm, drain_delay_s="2") as process:
        async with connections(process, 2) as (idle, late), session(process.url) as http, asyncio.timeout(30):
            await idle.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await idle.until(b"}")
            process.terminate()
            async with asyncio.timeout(1.5):
                while (await _readiness(http)) != 503:
                    await asyncio.sleep(0.02)
            assert ending(await streamed(http)) == "done"
            async with http.post("/v1/chat/completions", json=BODY | {"stream": False}) as reply:
                assert reply.status == 200
                assert reply.headers["connection"] == "close"
            # A request whose head is on its way when the listener closes is the last one, and served.
            whole = post(json.dumps(BODY).encode())
            await late.send(whole[:40])
            await asyncio.to_thread(_refused, process)
            await late.send(whole[40:])
            assert b"data: [DONE]" in await late.rest()
            assert await idle.rest() == b""
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_a_second_signal_ends_the_wait_and_still_says_so(tmp_path: Path) -> None:
    begun = asyncio.Semaphore(0)
    with steady(tokens=4000, gap_ms=20) as llm, tandem(tmp_path, llm, drain_timeout_s="60") as process:
        async with session(process.url) as http, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            streams = [tasks.create_task(streamed(http, begun)) for _ in range(STREAMS)]
            unary = tasks.create_task(_unary(http))
            for _ in range(STREAMS):
                await begun.acquire()
            process.popen.send_signal(signal.SIGINT)
            await asyncio.sleep(0.3)
            assert not any(stream.done() for stream in streams)
            process.popen.send_signal(signal.SIGINT)
        assert [ending(stream.result()) for stream in streams] == ["server_shutting_down"] * STREAMS
        status, told = unary.result()
        assert (status, told["error"]["code"]) == (503, "server_shutting_down")
        assert await asyncio.to_thread(process.wait, 10) == 0
    assert "Traceback" not in process.log.read_text()


async def test_a_stalled_stream_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    with steady(tokens=100_000, gap_ms=0) as llm, tandem(tmp_path, llm, drain_timeout_s="0.5") as process:
        async with connections(process, 5, buffer=4096) as stalled:
            for client in stalled:
                await client.send(post(json.dumps(BODY).encode()))
                await client.until(b"data: ")
            await asyncio.sleep(0.5)
            began = time.monotonic()
            process.terminate()
            assert await asyncio.to_thread(process.wait, 15) == 0
            assert time.monotonic() - began < 8


async def _unary(http: aiohttp.ClientSession) -> tuple[int, dict[str, dict[str, str]]]:
    async with http.post("/v1/chat/completions", json=BODY | {"stream": False}) as reply:
        return reply.status, await reply.json()


async def _readiness(http: aiohttp.ClientSession) -> int:
    async with http.get("/readyz") as reply:
        return reply.status


@asynccontextmanager
async def connections(process: Process, number: int, buffer: int | None = None) -> AsyncIterator[list[Client]]:
    """So many raw connections."""
    port = int(process.url.rpartition(":")[2])
    clients = [await connected(port, buffer=buffer) for _ in range(number)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def _refused(process: Process) -> None:
    """Returns once nobody listens there any more."""
    port = int(process.url.rpartition(":")[2])
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("the listener stayed open")
