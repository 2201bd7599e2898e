"""What a real process writes and counts: nothing of what was said, no series that a request made up, and never at a cost."""

import asyncio
import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from component.asking import chat_server, serving
from component.deployments import TANDEM

CANARY = "zebrafinch"


async def test_nothing_of_what_was_said_is_in_the_logs_at_any_level(tmp_path: Path) -> None:
    async with (
        chat_server(_echoes_and_breaks) as url,
        serving(
            "all",
            tmp_path,
            log__level="debug",
            log__format="json",
            predictor__url=url,
            predictor__protocol="openai",
            predictor__model="steady",
            tenants='{"acme": {"requests_per_minute": 100000}}',
        ) as process,
        aiohttp.ClientSession(process.url) as http,
    ):
        await _say(http, "/v1/documents/plain.md", f"# {CANARY}\n\nA {CANARY} sings at {CANARY}.".encode(), "PUT")
        # A document that cannot be read, and one that is none.
        await _say(http, "/v1/documents/broken.pdf", f"%PDF-1.7 {CANARY}".encode(), "PUT")
        await _say(http, "/v1/documents/broken.json", f'{{"{CANARY}": '.encode(), "PUT")
        for stream in (False, True):
            answer = await _say(http, "/v1/chat/completions", _question(stream=stream))
            assert CANARY in answer
        await _say(http, "/v1/retrieve", {"query": f"Where does the {CANARY} sing?", "explain": True})
        await _say(http, "/v1/chat/completions", f'{{"messages": "{CANARY}'.encode())
        await _say(http, "/v1/chat/completions", {"messages": [{"role": CANARY}], "model": CANARY})
        await _say(http, f"/v1/documents?collection={CANARY}", None, "GET")
        await _say(http, "/v1/embeddings", {"model": "minilm", "input": [CANARY]})
        # Each route's and outcome's own series, then only what strangers name.
        await _made_up(http)
        await _series(http)
        before = await _series(http)
        await asyncio.gather(*(_made_up(http) for _ in range(60)))
        assert await _series(http) - before == set()
        assert not any("made-up" in one or CANARY in one for one in before)
    lines = process.log.read_text()
    assert CANARY not in lines
    told = [orjson.loads(line) for line in lines.splitlines() if line.startswith("{")]
    asked = [line for line in told if line.get("route") == "/v1/chat/completions" and "receipt" in line]
    assert {line["outcome"] for line in asked} == {"failed"}
    assert all(line["trace_id"] and line["request_id"] and line["tenant"] == "default" for line in asked)


async def test_a_reader_of_stderr_that_is_stuck_holds_no_request_up(tmp_path: Path) -> None:
    address = tmp_path / "url"
    command: list[str | Path] = [
        TANDEM,
        "serve",
        "--target",
        "retriever",
        "--port",
        "0",
        "--data-dir",
        tmp_path,
        "--url-file",
        address,
    ]
    env = {**os.environ, "TANDEM_LOG__QUEUE_LINES": "100", "TANDEM_LOG__FORMAT": "json"}
    with (
        _full_pipe() as stuck,
        subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stuck
        ) as process,
    ):
        try:
            while not address.exists() or not address.read_text():
                assert process.poll() is None
                await asyncio.sleep(0.05)
            async with aiohttp.ClientSession(address.read_text().strip()) as http:
                for _ in range(500):
                    async with http.get("/v1/collections") as reply:
                        assert reply.status == 200
                lost = [
                    one
                    async for one in _samples(http)
                    if one.startswith('tandem_log_lines_left_out_total{reason="full"}')
                ]
            assert float(lost[0].rpartition(" ")[2]) > 50
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 20) == 0
        finally:
            process.kill()


@contextlib.contextmanager
def _full_pipe() -> Iterator[int]:
    """The end to write into, of a pipe that nobody reads and that has not room for a byte."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        for size in (65_536, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(writing, b"\n" * size)
        os.set_blocking(writing, True)
        yield writing
    finally:
        os.close(writing)
        os.close(reading)


async def _echoes_and_breaks(request: web.Request) -> web.StreamResponse:
    """A model that repeats what it was asked and then sends what is no chunk."""
    said = await request.json()
    reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await reply.prepare(request)
    text = said["messages"][-1]["content"]
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    await reply.write(b"data: " + orjson.dumps(chunk) + b"\n\n" + f"data: {{{CANARY} is no chunk\n\n".encode())
    return reply


def _question(*, stream: bool) -> dict[str, Any]:
    return {
        "model": "tandem",
        "messages": [{"role": "user", "content": f"Where does the {CANARY} sing?"}],
        "stream": stream,
        "user": CANARY,
    }


async def _say(http: aiohttp.ClientSession, path: str, body: object, method: str = "POST") -> str:
    content: dict[str, Any] = {} if body is None else {"data": body} if isinstance(body, bytes) else {"json": body}
    if isinstance(body, bytes) and method == "POST":
        content["headers"] = {"content-type": "application/json"}
    async with http.request(method, path, **content) as reply:
        return await reply.text()


async def _made_up(http: aiohttp.ClientSession) -> None:
    """Everything that a stranger can name, named anew."""
    name = f"made-up-{uuid.uuid4().hex[:8]}"
    headers = {"x-tandem-tenant": name, "x-request-id": name, "authorization": f"Bearer {name}"}
    body = {"model": name, "messages": [{"role": "user", "content": name}], "tandem": {"collection": name}}
    async with http.post("/v1/chat/completions", json=body, headers=headers) as reply:
        await reply.read()
    for path in (f"/{name}", f"/v1/documents/{name}", f"/v1/collections/{name}", f"/v1/receipts/{name}"):
        async with http.get(path, headers=headers) as reply:
            await reply.read()
    async with http.post("/v1/retrieve", json={"query": name, "collection": name}, headers=headers) as reply:
        await reply.read()


async def _samples(http: aiohttp.ClientSession) -> Any:
    async with http.get("/metrics") as reply:
        for line in (await reply.text()).splitlines():
            if not line.startswith("#"):
                yield line


async def _series(http: aiohttp.ClientSession) -> set[str]:
    return {line.rpartition(" ")[0] async for line in _samples(http)}
