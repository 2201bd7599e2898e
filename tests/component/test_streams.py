"""Questions of a real topic, answered by real processes: each once, whatever is bad, killed, or joins in the middle."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest
import yaml
from aiokafka import ConsumerRecord

from component.deployments import Process, start, stop
from fakes.faults import streaming
from fakes.kafka_broker import kafka_broker
from fakes.topics import Topics, chat, topics
from fakes.upstream import DONE, USAGE, Call, Upstream, piece, upstream

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with TemporaryDirectory() as folder, kafka_broker(Path(folder)) as address:
        yield address


@dataclass
class Model:
    """Says the question again, after up to `pause_s`; later ones are often done before earlier ones."""

    pause_s: float = 0.2
    asked: list[str] = field(default_factory=list)

    async def say(self, call: Call) -> None:
        if "chat/completions" not in call.line:
            await call.answer(200, b'{"object":"list","data":[{"id":"m"}]}')
            return
        text = json.loads(call.body)["messages"][-1]["content"]
        self.asked.append(text)
        await asyncio.sleep(random.uniform(0, self.pause_s))
        await streaming(piece(f"You asked {text}.", "stop"), USAGE, DONE)(call)


def configured(file: Path, model: Upstream, there: Topics, **stream: Any) -> Path:
    pool = {
        "name": "base",
        "endpoints": [{"url": model.url, "protocol": "openai", "model": "m"}],
        "model": {"id": "m", "engine": "openai", "context_tokens": 4096},
    }
    questions = [{"name": "mail", "place": there.place, "answers": there.answers, "groups": ["staff"], **stream}]
    file.write_text(yaml.safe_dump({"pools": [pool], "retrieval": {"enabled": False}, "questions": questions}))
    return file


@asynccontextmanager
async def serving(folder: Path, config: Path) -> AsyncIterator[Process]:
    process = await asyncio.to_thread(start, "all", folder, {}, "--config", str(config))
    try:
        yield process
    finally:
        await asyncio.to_thread(stop, process)


async def eventually(http: aiohttp.ClientSession, path: str) -> Any:
    """Records are written beside answers."""
    async with asyncio.timeout(20):
        while True:
            async with http.get(path) as reply:
                if reply.status == 200:
                    return await reply.json()
            await asyncio.sleep(0.1)


def text_of(record: ConsumerRecord) -> str:
    return str(json.loads(record.value)["choices"][0]["message"]["content"])


def each_once(found: Sequence[ConsumerRecord], number: int) -> None:
    """Each question has one answer, under its key, with its words, and it says which one it is for."""
    assert Counter(record.key for record in found) == {b"k%d" % each: 1 for each in range(number)}
    assert all(text_of(record) == f"You asked {record.key.decode()[1:]}." for record in found)
    places = {dict(record.headers)["tandem-question"] for record in found}
    assert len(places) == number
    receipts = {dict(record.headers)["tandem-receipt-id"] for record in found}
    assert len(receipts) == number


async def test_answers_arrive_and_a_bad_record_stops_nothing(broker: str, tmp_path: Path) -> None:
    there, model = await topics(broker, 1), Model()
    async with upstream(model.say) as server:
        config = configured(tmp_path / "c.yaml", server, there)
        async with serving(tmp_path, config) as process:
            await there.ask(chat("0"), headers=[("traceparent", TRACE.encode()), ("kafka_correlationId", b"\x07")])
            await there.ask(b"{", b'{"messages": []}', None, chat("1", n=2), chat("4"), key=b"more")
            found = await there.until(there.answers, 6)
            # Told to leave, it leaves at once; what it had begun is the next one's.
            model.pause_s = 20.0
            await there.ask(chat("5"), first=5)
            async with asyncio.timeout(20):
                while "5" not in model.asked:
                    await asyncio.sleep(0.02)
            process.terminate()
            assert await asyncio.to_thread(process.wait, 15) == 0
        assert len(await there.told(there.answers)) == 6
        model.pause_s = 0.2
        async with serving(tmp_path, config):
            last = await there.until(there.answers, 7)
    told = dict(found[0].headers)
    assert (found[0].key, text_of(found[0])) == (b"k0", "You asked 0.")
    assert told["kafka_correlationId"] == b"\x07"
    assert told["traceparent"].split(b"-")[1] == TRACE.encode().split(b"-")[1]
    assert told["traceparent"].split(b"-")[2] != TRACE.encode().split(b"-")[2]
    assert told["tandem-question"] == f"{there.questions}/0/0".encode()
    errors = [json.loads(record.value)["error"] for record in found[1:5]]
    assert [(error["code"], error["type"]) for error in errors] == [("invalid_request", "invalid_request_error")] * 4
    assert [error["param"] for error in errors] == [None, "messages", None, "n"]
    assert dict(found[1].headers)["tandem-error"] == b"invalid_request"
    assert text_of(found[5]) == "You asked 4."
    assert (last[6].key, text_of(last[6])) == (b"k5", "You asked 5.")


async def test_each_question_has_one_answer_although_the_process_is_killed(broker: str, tmp_path: Path) -> None:
    there, model, number = await topics(broker, 3), Model(), 60
    async with upstream(model.say) as server:
        config = configured(tmp_path / "c.yaml", server, there, concurrency=8)
        await there.ask(*(chat(str(each)) for each in range(number)))
        killed = 0
        for kills_at in (10, 30):
            async with serving(tmp_path, config) as process:
                before = await there.until(there.answers, kills_at)
                process.popen.kill()
                await asyncio.to_thread(process.wait)
                killed += len(before) < number
        async with serving(tmp_path, config):
            found = await there.until(there.answers, number)
            # Nothing comes after that.
            await asyncio.sleep(1)
            assert len(await there.told(there.answers)) == number
    assert killed == 2, "there was nothing left to kill it at"
    assert len(model.asked) > number, "nothing was in the middle of being answered"
    each_once(found, number)


async def test_who_joins_and_who_leaves_in_the_middle_doubles_nothing(broker: str, tmp_path: Path) -> None:
    there, model = await topics(broker, 4), Model()
    asked = 0
    both_were_there = asyncio.Event()

    async def ask() -> None:
        nonlocal asked
        while not both_were_there.is_set():
            await there.ask(*(chat(str(each)) for each in range(asked, asked + 10)), first=asked)
            asked += 10
            await asyncio.sleep(0.3)

    async with upstream(model.say) as server:
        config = configured(tmp_path / "c.yaml", server, there)
        asking = asyncio.create_task(ask())
        async with serving(tmp_path / "one", config) as one:
            await there.until(there.answers, 5)
            async with serving(tmp_path / "two", config) as two:
                async with asyncio.timeout(30):
                    while "are ours" not in two.log.read_text():
                        await asyncio.sleep(0.1)
                await asyncio.sleep(1)
                await asyncio.to_thread(stop, one)
                both_were_there.set()
                await asking
                found = await there.until(there.answers, asked)
                shares = [line.partition("are ours")[0] for line in two.log.read_text().splitlines() if "ours" in line]
                await asyncio.sleep(1)
                assert len(await there.told(there.answers)) == asked
    assert "[0, 1, 2, 3]" not in shares[0], "the first one had them all to the end"
    each_once(found, asked)


async def test_what_has_no_answer_goes_to_the_dead_letters_where_there_are_some(broker: str, tmp_path: Path) -> None:
    there, model = await topics(broker, 1), Model()
    async with upstream(model.say) as server:
        config = configured(tmp_path / "c.yaml", server, there, dead_letters=there.dead_letters)
        async with serving(tmp_path, config) as process:
            await there.ask(b"{", chat("1"))
            (answer,) = await there.until(there.answers, 1)
            (dead,) = await there.until(there.dead_letters, 1)
            receipt_id = dict(answer.headers)["tandem-receipt-id"].decode()
            async with aiohttp.ClientSession(process.url) as http:
                receipt = await eventually(http, f"/v1/receipts/{receipt_id}")
                async with http.get("/metrics") as reply:
                    counted = await reply.text()
    assert (receipt["mode"], receipt["request_id"]) == ("stream", "mail-0-1")
    assert 'tandem_stream_questions_total{outcome="answered",stream="mail"} 1.0' in counted
    assert 'tandem_stream_questions_total{outcome="invalid_request",stream="mail"} 1.0' in counted
    assert 'tandem_stream_open{stream="mail"} 1.0' in counted
    assert (answer.key, dead.key, dead.value) == (b"k1", b"k0", b"{")
    assert json.loads(dict(dead.headers)["tandem-error-body"])["error"]["code"] == "invalid_request"
