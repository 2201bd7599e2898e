"""One budget from the client to the last part of the fleet: what runs out says where, also over processes."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from component.asking import Model, Told, ask, metric, model, open_files, serving
from component.deployments import Process
from fakes.faulty import Faulty, faulty
from fakes.live import live
from fakes.qdrant import answer
from fakes.tei import FakeTei

pytestmark = [pytest.mark.component, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Fleet:
    """A gateway and a retriever as processes; the store, the reranker and the model live here."""

    gateway: Process
    retriever: Process
    folder: Path
    store: Faulty
    reranker: FakeTei
    model: Model
    env: dict[str, object]

    @property
    def url(self) -> str:
        return self.gateway.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    folder, tei = tmp_path_factory.mktemp("fleet"), FakeTei()
    async with faulty(answer()) as store, model() as llm, live(tei.app) as tei_url:
        env: dict[str, object] = {"vectors__url": store.url, "reranker__url": tei_url}
        async with (
            serving("retriever", folder, **env) as retriever,
            serving(
                "gateway", folder, retriever__url=retriever.url, predictor__url=llm.url, predictor__protocol="openai",
                predictor__model="steady", admission__initial=1, admission__max=1,
            ) as gateway,
        ):  # fmt: skip
            await whole(gateway.url)
            yield Fleet(gateway, retriever, folder, store, tei, llm, env)


@pytest.fixture(autouse=True)
def calm(fleet: Fleet) -> Iterator[None]:
    """What one test breaks is whole again for the next."""
    yield
    fleet.store.fault, fleet.reranker.delay_s, fleet.model.gap_s = None, 0.0, 0.005


async def whole(url: str) -> Told:
    """An answer as it should be, as soon as there is one."""
    until = time.monotonic() + 10
    while True:
        told = await ask(url)
        if told.whole or time.monotonic() > until:
            assert (told.status, told.tandem.get("outcome"), told.tandem.get("degraded")) == (200, "answered", []), told
            return told
        await asyncio.sleep(0.05)


def timed_out(told: Told, stage: str) -> bool:
    return (told.status, told.error.get("code"), told.stage) == (504, "deadline_exceeded", stage)


async def test_what_is_left_travels_to_the_model_and_to_the_store(fleet: Fleet) -> None:
    await ask(fleet.url, within_ms=4000)
    left_ms = int(fleet.model.headers[-1]["x-request-timeout-ms"])
    assert 1000 < left_ms < 4000
    # The retriever has half of the time, less the way back, and the store is told it in whole seconds.
    assert "timeout=2" in fleet.store.heard[-1].line
    assert 0 < int(fleet.reranker.headers[-1]["x-request-timeout-ms"]) < 2000


async def test_the_retriever_s_stage_comes_through_the_gateway(fleet: Fleet) -> None:
    fleet.store.fault = "silent"
    for stream in (False, True):
        began = time.monotonic()
        told = await ask(fleet.url, stream=stream, within_ms=1200)
        assert timed_out(told, "search"), told
        assert time.monotonic() - began < 1.3
    fleet.store.fault = None
    await whole(fleet.url)


async def test_a_stage_that_does_not_fit_is_left_out_and_said_so(fleet: Fleet) -> None:
    for _ in range(10):
        await ask(fleet.url)
    fleet.reranker.delay_s = 5.0
    seen: list[str] = []
    while "rerank_skipped" not in seen and len(seen) < 12:
        told = await ask(fleet.url, stream=len(seen) % 2 == 1, within_ms=1600)
        assert told.whole, told
        seen += told.tandem["degraded"]
    assert seen[0] == "rerank_failed"
    assert seen[-1] == "rerank_skipped"
    assert set(seen) == {"rerank_failed", "rerank_skipped"}
    fleet.reranker.delay_s = 0.0
    for process in (fleet.gateway, fleet.retriever):
        assert await metric(process.url, 'tandem_degraded_total{what="rerank_skipped"}') == 1
    while (await ask(fleet.url, within_ms=1600)).tandem["degraded"]:
        assert len(seen) < 60
        seen.append("again")


async def test_a_slow_model_runs_out_of_time_in_generation(fleet: Fleet) -> None:
    fleet.model.gap_s = 0.4
    assert timed_out(await ask(fleet.url, within_ms=700), "generation")
    told = await ask(fleet.url, stream=True, within_ms=1000)
    assert told.text.startswith("word0 ")
    assert (told.whole, told.stage) == (False, "generation")
    assert told.error["code"] == "deadline_exceeded"
    fleet.model.gap_s = 0.005


async def test_who_waits_too_long_for_a_slot_runs_out_of_time_in_the_queue(fleet: Fleet) -> None:
    fleet.model.gap_s = 0.4
    running = asyncio.create_task(ask(fleet.url))
    await asyncio.sleep(0.3)
    assert timed_out(await ask(fleet.url, within_ms=300), "queue")
    fleet.model.gap_s = 0.005
    assert (await running).whole


async def test_a_body_that_trickles_in_runs_out_of_time_being_read(fleet: Fleet) -> None:
    host, _, port = fleet.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        "content-length: 100\r\nx-request-timeout-ms: 300\r\n\r\n{"
    )
    writer.write(head.encode())
    async with asyncio.timeout(5):
        await reader.readuntil(b"\r\n\r\n")
        body = json.loads(await reader.readuntil(b"}}"))
    writer.close()
    assert body["error"].get("stage") == "reading the body", body


async def test_a_retriever_that_stands_still_costs_its_share_and_nothing_after(fleet: Fleet) -> None:
    files = open_files(fleet.gateway)
    fleet.retriever.popen.send_signal(signal.SIGSTOP)
    try:
        for stream in (False, True):
            began = time.monotonic()
            assert timed_out(await ask(fleet.url, stream=stream, within_ms=800), "retrieval")
            assert time.monotonic() - began < 0.9
    finally:
        fleet.retriever.popen.send_signal(signal.SIGCONT)
    await whole(fleet.url)
    assert open_files(fleet.gateway) <= files + 3


async def test_a_retriever_that_is_killed_and_restarted_under_load_is_found_again(fleet: Fleet) -> None:
    files, port = open_files(fleet.gateway), fleet.retriever.url.rpartition(":")[2]
    told: list[Told] = []
    done = asyncio.Event()

    async def client() -> None:
        while not done.is_set():
            told.append(await ask(fleet.url))

    clients = [asyncio.create_task(client()) for _ in range(4)]
    await asyncio.sleep(0.3)
    fleet.retriever.popen.kill()
    fleet.retriever.wait()
    await asyncio.sleep(0.2)
    async with serving("retriever", fleet.folder, "--port", port, **fleet.env):
        await whole(fleet.url)
        done.set()
        await asyncio.gather(*clients)
        ends = {(each.status, each.stage) for each in told}
        # One at a time: on a busy machine the queue may stand, and is shortened.
        assert ends - {(429, None)} == {(200, None), (503, "retrieval")}
        assert all(each.headers["retry-after"] for each in told if each.status == 503)
        await whole(fleet.url)
        assert open_files(fleet.gateway) <= files + 6
