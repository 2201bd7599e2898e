"""A real process that answers, with every sink open: what was answered is everywhere, and a sink that hangs harms nothing."""

import asyncio
import time
from pathlib import Path

import aiohttp
import duckdb
import orjson
import pytest
from aiohttp import web

from component.deployments import Process, start
from fakes.otlp_receiver import OtlpReceiver, attributes, otlp_receiver

pytestmark = pytest.mark.component
TEXT = b"# Berths\n\nA berth costs fourteen crowns a night."
QUESTION = "What does a berth cost a night?"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = "00f067aa0ba902b7"


async def running(folder: Path, url: str, **env: str) -> Process:
    """The monolith, with texts kept."""
    chosen = {
        "TANDEM_MONITOR__OTLP__ENDPOINT": url,
        "TANDEM_MONITOR__PARQUET__URL": str(folder / "answers"),
        "TANDEM_MONITOR__PARQUET__INTERVAL_S": "0.2",
        "TANDEM_MONITOR__STDOUT__ENABLED": "true",
        "TANDEM_DEFAULT_TENANT__CAPTURE_CONTENT": "true",
        **env,
    }
    return await asyncio.to_thread(start, "all", folder, chosen)


async def ask(process: Process, http: aiohttp.ClientSession) -> str:
    """The receipt's id."""
    body = {"model": "tandem", "messages": [{"role": "user", "content": QUESTION}]}
    headers = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}
    async with http.post(f"{process.url}/v1/chat/completions", json=body, headers=headers) as reply:
        assert reply.status == 200
        return str((await reply.json())["tandem"]["receipt_id"])


async def put(process: Process, http: aiohttp.ClientSession) -> None:
    headers = {"content-type": "text/markdown"}
    async with http.put(f"{process.url}/v1/documents/berths.md", data=TEXT, headers=headers) as reply:
        assert reply.status == 200


def in_parquet(folder: Path) -> list[tuple[str, str]]:
    return duckdb.execute(f"SELECT id, answer FROM read_parquet('{folder}/answers/*/*/*.parquet')").fetchall()


def on_stdout(process: Process) -> list[str]:
    lines = process.log.read_bytes().splitlines()
    return [orjson.loads(line)["record"]["id"] for line in lines if line.startswith(b'{"tandem":"answer"')]


async def test_an_answer_is_told_everywhere(tmp_path: Path) -> None:
    async with otlp_receiver() as (receiver, url), aiohttp.ClientSession() as http:
        away = [web.Response(status=503, headers={"retry-after": "0"})]
        receiver.answer = lambda _request, _http: away.pop() if away else None
        process = await running(tmp_path, url)
        try:
            await put(process, http)
            ids = [await ask(process, http) for _ in range(3)]
            async with asyncio.timeout(30):
                # It was told that the receiver is away, and comes again.
                while away or not receiver.spans:
                    await asyncio.sleep(0.02)
        finally:
            process.terminate()
        assert await asyncio.to_thread(process.wait) == 0
    assert sorted(receiver.ids()) == sorted(ids)
    assert sorted(id_ for id_, _ in in_parquet(tmp_path)) == sorted(ids)
    assert sorted(set(on_stdout(process))) == sorted(ids)
    told(receiver)


def told(receiver: OtlpReceiver) -> None:
    """One trace that goes on in the client's, with texts and scores."""
    requests = [span for span in receiver.spans.values() if span.name == "invoke_workflow rag"]
    assert {span.trace_id.hex() for span in receiver.spans.values()} == {TRACE}
    assert {span.parent_span_id.hex() for span in requests} == {CLIENT}
    known = {span.span_id for span in receiver.spans.values()}
    others = [span for span in receiver.spans.values() if span not in requests]
    assert {span.parent_span_id for span in others} <= known
    assert attributes(requests[0].attributes)["input.value"] == QUESTION
    assert {event.name for event in requests[0].events} == {"gen_ai.evaluation.result"}


async def test_a_receiver_that_hangs_delays_neither_answers_nor_the_end(tmp_path: Path) -> None:
    async with otlp_receiver() as (receiver, url), aiohttp.ClientSession() as http:
        receiver.hangs = True
        process = await running(tmp_path, url, TANDEM_MONITOR__DRAIN_TIMEOUT_S="1")
        try:
            await put(process, http)
            ids = [await ask(process, http) for _ in range(3)]
            while not receiver.requests:
                await asyncio.sleep(0.02)
            ids.append(await ask(process, http))
        finally:
            process.terminate()
        began_s = time.monotonic()
        assert await asyncio.to_thread(process.wait) == 0
        assert time.monotonic() - began_s < 15
        assert sorted(id_ for id_, _ in in_parquet(tmp_path)) == sorted(ids)
        # What could not be sent is sent by the next process.
        receiver.hangs = False
        process = await running(tmp_path, url)
        process.terminate()
        assert await asyncio.to_thread(process.wait) == 0
    assert sorted(receiver.ids()) == sorted(ids)
