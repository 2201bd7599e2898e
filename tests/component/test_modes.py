"""The same question online, as a job and in a batch: the same passages, the same prompt, the same answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from component.asking import serving
from component.batching import begun, client, until, written

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]
GUIDE = """# Harbour guide

## Opening hours

The harbour office of Larkhaven opens at seven in the morning and closes at nine in the evening.

## Mooring fees

A berth for a boat of up to eight metres costs fourteen crowns a night. Longer boats pay two crowns for each further metre.

## Safety

Channel sixteen is watched day and night. In a storm the breakwater is closed to pedestrians.
"""
ASKED: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "When does the harbour office open?"}]},
    {"messages": [{"role": "user", "content": "What does a berth cost a night?"}], "tandem": {"top_k": 2, "rerank": False}},
    {"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What does a berth cost a night?"},
        {"role": "assistant", "content": "Fourteen crowns."},
        {"role": "user", "content": "And which channel is watched at night?"},
    ], "user": "jo", "max_tokens": 40},
    {"messages": [{"role": "user", "content": "Which enzyme repairs double-strand breaks in yeast?"}]},
    {"messages": [{"role": "user", "content": "breakwater storm"}], "tandem": {"filters": {"document_id": "guide.md"}}},
]  # fmt: skip
BODIES = [{"model": "tandem", "temperature": 0, **each} for each in ASKED]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serving("all", tmp_path, default_tenant__capture_content="true") as process,
        aiohttp.ClientSession(process.url) as session,
    ):
        kind = {"content-type": "text/markdown"}
        async with session.put("/v1/documents/guide.md", data=GUIDE.encode(), headers=kind) as reply:
            assert reply.status == 200
        yield session


async def call(http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    async with http.request(method, path, json=body) as reply:
        told = await reply.json()
        assert reply.status < 300, told
        return told


async def online(http: aiohttp.ClientSession) -> list[Any]:
    return [await call(http, "POST", "/v1/chat/completions", body) for body in BODIES]


async def as_jobs(http: aiohttp.ClientSession) -> list[Any]:
    ids = [(await call(http, "POST", "/v1/jobs", body))["id"] for body in BODIES]
    found = []
    for each in ids:
        async with asyncio.timeout(60):
            while (job := await call(http, "GET", f"/v1/jobs/{each}"))["status"] in ("queued", "running"):
                await asyncio.sleep(0.05)
        found.append(job["result"])
    return found


async def in_a_batch(http: aiohttp.ClientSession) -> list[Any]:
    line = {"method": "POST", "url": "/v1/chat/completions"}
    lines = [json.dumps({"custom_id": str(n), **line, "body": body}).encode() + b"\n" for n, body in enumerate(BODIES)]
    async with client(str(http._base_url).rstrip("/")) as ai:
        done = await until(ai, await begun(ai, lines))
        assert done.status == "completed"
        return [each["response"]["body"] for each in await written(ai, done.output_file_id)]


def said(answer: Any) -> Any:
    """All but what names this one answer, and how long it took."""
    tandem = {name: value for name, value in answer["tandem"].items() if name not in ("receipt_id", "timings_s")}
    return {**tandem, **{name: answer[name] for name in ("model", "choices", "usage")}}


async def receipt(http: aiohttp.ClientSession, answer: Any) -> Any:
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"/v1/receipts/{answer['tandem']['receipt_id']}") as reply:
                if reply.status == 200:
                    return await reply.json()
            await asyncio.sleep(0.05)


async def test_the_three_modes_differ_in_nothing_but_their_time(http: aiohttp.ClientSession) -> None:
    modes = {"online": await online(http), "async": await as_jobs(http), "batch": await in_a_batch(http)}
    for number, body in enumerate(BODIES):
        receipts = {mode: await receipt(http, answers[number]) for mode, answers in modes.items()}
        assert [each["mode"] for each in receipts.values()] == list(receipts)
        first = receipts["online"]
        if first["outcome"] == "answered":
            assert first["retrieval"]["passages"] and first["prompt"]["messages"], body
        for mode in ("async", "batch"):
            ours, theirs = said(modes[mode][number]), said(modes["online"][number])
            assert {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)} == set(), mode
            told = receipts[mode]
            # With ids, order and scores, and with what went to the model.
            assert told["retrieval"] == first["retrieval"], (mode, body)
            assert told["prompt"] == first["prompt"], (mode, body)
            for name in ("question", "answer", "outcome", "sampling", "usage"):
                assert told.get(name) == first.get(name), (mode, name, body)
    outcomes = [answer["tandem"]["outcome"] for answer in modes["batch"]]
    assert outcomes.count("answered") >= 3 and "abstained" in outcomes
