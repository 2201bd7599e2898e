"""The vector store is away, slow, broken or comes back, and a real gateway says so, and is whole again by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from component.asking import Told, ask, metric, model, open_files, serving
from component.deployments import Process
from fakes.faulty import Fault, Faulty, faulty
from fakes.qdrant import TEXT, answer

pytestmark = [pytest.mark.component, pytest.mark.asyncio(loop_scope="module")]
TURNS = 4


def said(status: int, error: str) -> Any:
    body = f'{{"status": {{"error": "{error}"}}, "time": 0.0}}'.encode()
    return lambda _: (status, body)


def grounded(told: Told) -> bool:
    return told.whole and told.tandem["outcome"] == "answered" and TEXT in told.text and not told.tandem["degraded"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Faulty, Process]]:
    settings = {"vectors__timeout_s": 0.5, "vectors__max_concurrency": TURNS, "admission__initial": 64}
    async with (
        faulty(answer()) as store,
        serving("all", tmp_path_factory.mktemp("all"), vectors__url=store.url, **settings) as tandem,
    ):
        assert grounded(await ask(tandem.url))
        yield store, tandem


async def test_a_store_that_fails_is_told_with_its_stage_and_found_again(running: tuple[Faulty, Process]) -> None:
    store, tandem = running
    files, calm = open_files(tandem), store.answer
    faults: list[Fault] = ["silent", "hangup", "reset", "half", "garbage"]
    for fault in faults:
        store.fault = fault
        for stream in (False, True):
            told = await ask(tandem.url, stream=stream)
            assert (told.status, told.error["code"], told.stage) == (503, "upstream_unavailable", "retrieval"), fault
            assert int(told.headers["retry-after"]) >= 1
            assert told.error["hint"]
    store.fault = None
    for status, error, code in (
        (500, "Service internal error", (502, "upstream_failed", "retrieval")),
        (503, "starting", (503, "upstream_unavailable", "retrieval")),
        (429, "Too many requests", (429, "overloaded", None)),
        (404, "Not found: Collection `docs` doesn't exist!", (404, "collection_not_found", None)),
    ):
        store.answer = said(status, error)
        told = await ask(tandem.url)
        assert (told.status, told.error["code"], told.stage) == code
    store.answer = calm
    await store.stop()
    told = await ask(tandem.url)
    assert (told.status, told.error["code"], told.stage) == (503, "upstream_unavailable", "retrieval")
    await store.start()
    assert grounded(await ask(tandem.url))
    assert open_files(tandem) <= files + TURNS
    assert await metric(tandem.url, 'tandem_retrieval_failures_total{code="upstream_unavailable"}') == 12


async def test_a_restart_under_load_costs_only_what_was_under_way(running: tuple[Faulty, Process]) -> None:
    store, tandem = running
    files, until = open_files(tandem), time.monotonic() + 2.0
    told: list[Told] = []

    async def client() -> None:
        while time.monotonic() < until:
            told.append(await ask(tandem.url))

    async def restarts() -> None:
        for _ in range(3):
            await asyncio.sleep(0.4)
            await store.stop()
            await asyncio.sleep(0.2)
            await store.start()

    await asyncio.gather(restarts(), *(client() for _ in range(6)))
    assert {(each.status, each.stage) for each in told} == {(200, None), (503, "retrieval")}
    assert sum(map(grounded, told)) > len(told) / 10
    assert all(map(grounded, [await ask(tandem.url) for _ in range(8)]))
    assert open_files(tandem) <= files + 2 * TURNS


async def test_a_slow_store_is_not_piled_up_on(running: tuple[Faulty, Process]) -> None:
    store, tandem = running
    store.delay_s, store.most_running = 0.3, 0
    told = await asyncio.gather(*(ask(tandem.url) for _ in range(24)))
    assert store.most_running == TURNS
    assert {(each.status, each.stage) for each in told} == {(200, None), (503, "retrieval")}
    assert sum(map(grounded, told)) >= TURNS
    assert any("too slow now" in each.error.get("message", "") for each in told)
    store.delay_s = 0.0
    await asyncio.sleep(0.4)
    assert store.running == 0
    assert grounded(await ask(tandem.url))


async def test_where_the_settings_allow_it_the_model_answers_by_itself(tmp_path: Path) -> None:
    async with (
        faulty(answer()) as store,
        model() as llm,
        serving(
            "all", tmp_path, vectors__url=store.url, vectors__timeout_s=0.5, retrieval__on_failure="answer_without",
            predictor__url=llm.url, predictor__protocol="openai", predictor__model="steady",
        ) as tandem,
    ):  # fmt: skip
        assert (await ask(tandem.url)).tandem["outcome"] == "answered"
        await store.stop()
        for stream in (False, True):
            told = await ask(tandem.url, stream=stream)
            assert (told.status, told.whole) == (200, True)
            assert told.text.startswith("word0")
            assert told.tandem["outcome"] == "ungrounded"
            assert told.tandem["degraded"] == ["retrieval_unavailable"]
            assert told.tandem["citations"] == []
            assert told.tandem["prompt"] == "unaided@1"
        assert await metric(tandem.url, 'tandem_degraded_total{what="retrieval_unavailable"}') == 2
        await store.start()
        store.fault = "silent"
        assert (await ask(tandem.url, within_ms=600)).tandem["outcome"] == "ungrounded"
        store.fault = None
        assert (await ask(tandem.url)).tandem["outcome"] == "answered"
