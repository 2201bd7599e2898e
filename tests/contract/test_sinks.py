"""Every sink: records arrive whole, once however often they come, and what goes wrong is told in our own terms."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import orjson
import pytest
from aiohttp import web

from fakes.otlp_receiver import otlp_receiver
from fakes.records import answer_record, passage, with_passages
from tandem.adapters.console.sink import console_sink
from tandem.adapters.otlp.collector import Endpoint
from tandem.adapters.otlp.sink import otlp_sink
from tandem.adapters.otlp.trace import Tracing
from tandem.adapters.parquet.places import place
from tandem.adapters.parquet.sink import ParquetSink
from tandem.adapters.scripted.sink import ScriptedSink
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.record import (
    AnswerRecord,
    RecordedAnswer,
    RecordedError,
    RecordedQuestion,
    RecordedRetrieval,
    RecordedTiming,
    RecordedTrace,
)
from tandem.ports.sink import Sink

BEGAN_AT = 1_700_000_000.25


@dataclass
class Open:
    """A sink; `ids` are those of the records that it holds, each as often as a reader would count it."""

    sink: Sink
    ids: Callable[[], list[str]]
    break_: Callable[[], None]
    mend: Callable[[], None]


@asynccontextmanager
async def scripted(_: Path) -> AsyncIterator[Open]:
    sink = ScriptedSink()
    fault = UpstreamUnavailable("Away.")
    yield Open(sink, lambda: list(sink.records), lambda: sink.faults.append(fault), sink.faults.clear)


@asynccontextmanager
async def otlp(_: Path) -> AsyncIterator[Open]:
    async with otlp_receiver() as (receiver, url):
        settings = Endpoint(url, timeout_s=5)
        async with otlp_sink(settings, Tracing(), {}, now_s=time.time, version="1", rejected=print) as sink:

            def fail() -> None:
                receiver.answer = lambda _request, _http: web.Response(status=503)

            def work() -> None:
                receiver.answer = lambda _request, _http: None

            yield Open(sink, receiver.ids, fail, work)


@asynccontextmanager
async def parquet(folder: Path) -> AsyncIterator[Open]:
    root = folder / "records"

    def ids() -> list[str]:
        if not list(root.rglob("*.parquet")):
            return []
        read = duckdb.execute(f"SELECT id FROM read_parquet('{root}/**/*.parquet')")
        return [str(row[0]) for row in read.fetchall()]

    def fail() -> None:
        if root.exists():
            root.rename(folder / "aside")
        root.write_bytes(b"no folder")

    def work() -> None:
        root.unlink()
        if (folder / "aside").exists():
            (folder / "aside").rename(root)

    yield Open(ParquetSink(place(str(root))), ids, fail, work)


@asynccontextmanager
async def console(folder: Path) -> AsyncIterator[Open]:
    file = folder / "lines"
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    reader, broken = os.pipe()
    os.close(reader)
    kept = os.dup(number)

    def ids() -> list[str]:
        # A reader of lines keeps one of each id.
        return list(dict.fromkeys(orjson.loads(line)["record"]["id"] for line in file.read_bytes().splitlines()))

    try:
        async with console_sink(number, patience_s=5) as sink:
            yield Open(sink, ids, lambda: void(os.dup2(broken, number)), lambda: void(os.dup2(kept, number)))
    finally:
        for each in (number, kept, broken):
            os.close(each)


def void(_: object) -> None:
    """Nothing."""


@pytest.fixture(params=[scripted, otlp, parquet, console], ids=lambda open_: open_.__name__)
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    async with request.param(tmp_path) as open_:
        yield open_


def records(*numbers: int) -> list[AnswerRecord]:
    return [
        replace(
            answer_record(f"rcpt-{number}", tenant=("acme", "globex")[number % 2], began_at=BEGAN_AT + number),
            trace=RecordedTrace(f"{number:032x}", f"{number:016x}"),
        )
        for number in numbers
    ]


def ids(*numbers: int) -> list[str]:
    return [f"rcpt-{number}" for number in numbers]


async def test_what_was_shipped_is_there(opened: Open) -> None:
    await opened.sink.ship(records(1, 2, 3))
    await opened.sink.ship(records(4))
    assert sorted(opened.ids()) == ids(1, 2, 3, 4)


async def test_a_batch_that_comes_again_counts_once(opened: Open) -> None:
    await opened.sink.ship(records(1, 2, 3))
    await opened.sink.ship(records(1, 2, 3))
    assert sorted(opened.ids()) == ids(1, 2, 3)


async def test_a_batch_that_comes_again_with_others_behind_it_counts_once(opened: Open) -> None:
    # The process died before it could note how far it was; meanwhile more have come.
    await opened.sink.ship(records(1, 2, 3))
    await opened.sink.ship(records(1, 2, 3, 4, 5))
    assert sorted(opened.ids()) == ids(1, 2, 3, 4, 5)


async def test_a_batch_that_comes_again_in_smaller_ones_counts_once(opened: Open) -> None:
    await opened.sink.ship(records(1, 2, 3, 4, 5))
    await opened.sink.ship(records(1, 2))
    await opened.sink.ship(records(3, 4))
    await opened.sink.ship(records(5))
    assert sorted(opened.ids()) == ids(1, 2, 3, 4, 5)


async def test_nothing_is_shipped_of_nothing(opened: Open) -> None:
    await opened.sink.ship([])
    assert opened.ids() == []


async def test_away_is_for_later_and_then_it_works_again(opened: Open) -> None:
    await opened.sink.ship(records(1))
    opened.break_()
    with pytest.raises(UpstreamUnavailable):
        await opened.sink.ship(records(2, 3))
    opened.mend()
    await opened.sink.ship(records(2, 3))
    assert sorted(opened.ids()) == ids(1, 2, 3)


async def test_whoever_is_not_waited_for_does_not_hold_up_the_next(opened: Open) -> None:
    shipping = asyncio.create_task(opened.sink.ship(records(1)))
    await asyncio.sleep(0)
    shipping.cancel()
    await asyncio.gather(shipping, return_exceptions=True)
    await opened.sink.ship(records(1, 2))
    assert sorted(opened.ids()) == ids(1, 2)


async def test_the_name_stays(opened: Open) -> None:
    before = opened.sink.name
    await opened.sink.ship(records(1))
    assert opened.sink.name == before
    assert before


async def test_records_of_every_kind(opened: Open) -> None:
    empty = AnswerRecord(
        "rcpt-a",
        "r",
        "batch",
        "refused",
        answer_record().asker,
        RecordedQuestion(None),
        RecordedRetrieval("docs"),
        RecordedAnswer(),
        RecordedTiming(BEGAN_AT, 0.0),
        error=RecordedError("overloaded", "Full."),
        content=False,
    )
    odd = replace(
        with_passages(
            answer_record("rcpt-b", user="ann's \x00 \ud800 💧\n", tenant="../ac me/"), passage("x#1", text=None)
        ),
        trace=None,
        scores={"odd": float("nan")},
    )
    long = answer_record("rcpt-c", question="What? " * 100_000)
    await opened.sink.ship([empty, odd, replace(long, trace=None)])
    assert sorted(opened.ids()) == ["rcpt-a", "rcpt-b", "rcpt-c"]
