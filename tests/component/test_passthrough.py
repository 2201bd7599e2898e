"""The gateway without retrieval, as a process before a model: what the model says is what the client hears."""

import socket
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson
import pytest

from bench._load import drive
from component.deployments import Process, start, stop
from fakes.upstream import DONE, USAGE, Call, event, piece, upstream

pytestmark = pytest.mark.component
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "When does it open?"},
]
SAID = ["At ", '"seven"', "\n[1] ", "😀\\"]


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


PORT = _port()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    env = {
        "TANDEM_RETRIEVAL__ENABLED": "false",
        # Nobody is there, and nobody is asked.
        "TANDEM_RETRIEVER__URL": "http://127.0.0.1:9",
        "TANDEM_PREDICTOR__URL": f"http://127.0.0.1:{PORT}",
        "TANDEM_PREDICTOR__PROTOCOL": "openai",
        "TANDEM_PREDICTOR__MODEL": "steady",
    }
    process = start("gateway", tmp_path_factory.mktemp("passthrough"), env)
    try:
        yield process
    finally:
        stop(process)


async def model(call: Call) -> None:
    if call.line.startswith("GET"):
        await call.answer(200, b'{"object":"list","data":[{"id":"steady","object":"model"}]}')
        return
    await call.begin()
    *first, last = SAID
    for text in first:
        await call.part(piece(text))
    await call.part(piece(last, "stop") + USAGE + DONE)
    await call.end()


async def answered(gateway: Process, body: dict[str, Any]) -> bytes:
    url = f"{gateway.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as reply:
        return await reply.read()


async def test_a_stream_says_what_the_model_said(gateway: Process) -> None:
    body = {"model": "tandem", "messages": TALK, "stream": True, "stream_options": {"include_usage": True}}
    async with upstream(model, port=PORT) as server:
        events = (await answered(gateway, body)).removesuffix(b"\n\n").split(b"\n\n")
    asked = next(orjson.loads(call.body) for call in server.calls if call.line.startswith("POST"))
    assert asked["messages"] == TALK
    assert events[-1] == b"data: [DONE]"
    chunks = [orjson.loads(each.removeprefix(b"data: ")) for each in events[:-1]]
    texts = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert [text for text in texts if text] == SAID
    told: dict[str, Any] = next(chunk["tandem"] for chunk in chunks if "tandem" in chunk)
    assert (told["outcome"], told["prompt"], told["citations"]) == ("answered", "none", [])
    assert chunks[-1]["usage"]["completion_tokens"] == 2


async def test_a_whole_answer_says_it_too(gateway: Process) -> None:
    async with upstream(model, port=PORT):
        told = orjson.loads(await answered(gateway, {"model": "steady", "messages": TALK}))
    assert told["choices"][0]["message"]["content"] == "".join(SAID)
    assert told["tandem"]["citations"] == []


async def test_many_at_once_are_kept_apart(gateway: Process) -> None:
    """With the benchmark's own clients, which count the tokens of each answer."""

    async def words(call: Call) -> None:
        await call.begin()
        for number in range(20):
            await call.part(event({"choices": [{"delta": {"content": f"word{number} "}}]}))
        await call.part(event({"choices": [{"delta": {}, "finish_reason": "stop"}]}) + DONE)
        await call.end()

    async with upstream(words, port=PORT):
        load = await drive(gateway.url, 16, 96, stream=True, tokens=20)
    assert (load.answers, load.broken) == (96, [])
