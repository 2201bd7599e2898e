"""Processes and questions for tests whose servers live in the test's own event loop."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from component.deployments import Process, start, stop
from fakes.live_aiohttp import live_aiohttp
from fakes.steady_llm import steady_chat, steady_models


@asynccontextmanager
async def serving(target: str, folder: Path, *flags: str, **env: object) -> AsyncIterator[Process]:
    """One target as a process of its own; `env` names settings, `vectors__url=…` say."""
    named = {f"TANDEM_{name.upper()}": str(value) for name, value in env.items()}
    process = await asyncio.to_thread(start, target, folder, named, *flags)
    try:
        yield process
    finally:
        await asyncio.to_thread(stop, process)


@dataclass
class Model:
    """`headers` came with the questions, `gap_s` is the time between two words."""

    url: str = ""
    gap_s: float = 0.005
    headers: list[dict[str, str]] = field(default_factory=list)


@asynccontextmanager
async def model(tokens: int = 4) -> AsyncIterator[Model]:
    """An OpenAI server whose answers are `word0 word1 …`."""
    served = Model()

    async def chat(request: web.Request) -> web.StreamResponse:
        served.headers.append({name.lower(): value for name, value in request.headers.items()})
        return await steady_chat(request, tokens, served.gap_s)

    async with chat_server(chat) as url:
        served.url = url
        yield served


@asynccontextmanager
async def chat_server(chat: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The URL of an OpenAI server that answers with `chat`."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", steady_models)
    async with live_aiohttp(app) as url:
        yield url


@dataclass(frozen=True, slots=True)
class Told:
    """How a question was answered. `text` is what came of the answer, `error` its error object if it ended with one."""

    status: int
    headers: dict[str, str]
    text: str
    tandem: dict[str, Any]
    error: dict[str, Any]
    whole: bool

    @property
    def stage(self) -> str | None:
        found: str | None = self.error.get("stage")
        return found


async def ask(
    url: str,
    question: str = "When does the harbour open?",
    *,
    stream: bool = False,
    within_ms: int | None = None,
    http: aiohttp.ClientSession | None = None,
    **options: object,
) -> Told:
    """Put it to `url`, over a connection of its own unless there is one."""
    if http is None:
        async with aiohttp.ClientSession() as own:
            return await ask(url, question, stream=stream, within_ms=within_ms, http=own, **options)
    body: dict[str, Any] = {"model": "tandem", "messages": [{"role": "user", "content": question}], "stream": stream}
    if options:
        body["tandem"] = options
    headers = {} if within_ms is None else {"x-request-timeout-ms": str(within_ms)}
    async with http.post(f"{url}/v1/chat/completions", json=body, headers=headers) as reply:
        told = {name.lower(): value for name, value in reply.headers.items()}
        if not stream or reply.status != 200:
            return _unary(reply.status, told, json.loads(await reply.read()))
        return _streamed(told, (await reply.read()).decode())


def _unary(status: int, headers: dict[str, str], body: dict[str, Any]) -> Told:
    text = body["choices"][0]["message"]["content"] if "choices" in body else ""
    return Told(status, headers, text, body.get("tandem", {}), body.get("error", {}), status == 200)


def _streamed(headers: dict[str, str], body: str) -> Told:
    text = ""
    tandem: dict[str, Any] = {}
    error: dict[str, Any] = {}
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    for line in lines:
        if line == "[DONE]":
            continue
        event = json.loads(line)
        error = event.get("error", error)
        tandem = event.get("tandem", tandem)
        for choice in event.get("choices", ()):
            text += choice["delta"].get("content") or ""
    return Told(200, headers, text, tandem, error, lines[-1:] == ["[DONE]"])


async def metric(url: str, sample: str) -> float:
    """One sample's value, 0 when it is not there."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as reply:
        lines = (await reply.text()).splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0.0)


def open_files(process: Process) -> int:
    """File descriptors of the process."""
    return sum(1 for _ in Path(f"/proc/{process.popen.pid}/fd").iterdir())
