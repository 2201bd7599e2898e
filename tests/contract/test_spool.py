"""One suite over every spool: on the disk, and the scripted double."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from fakes.records import answer_record
from fakes.spools import NOTHING, Made, SpoolCounts, spooled_at
from tandem.adapters.scripted.spool import ScriptedSpool
from tandem.domain.record import AnswerRecord
from tandem.ports.spool import Batch, Spool

SINKS = ("first", "second")


class Put(Protocol):
    async def __call__(self, *records: AnswerRecord) -> None: ...


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[Spool, Put]]:
    spool = ScriptedSpool()

    async def put(*records: AnswerRecord) -> None:
        spool.put(*records)

    yield spool, put


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[tuple[Spool, Put]]:
    async with spooled_at(folder, SINKS, SpoolCounts()) as (monitor, spool):

        async def put(*records: AnswerRecord) -> None:
            for record in records:
                monitor.take(Made(record))
            assert await monitor.flush(10)
            # The loop hears of what the thread wrote.
            await asyncio.sleep(0)

        yield spool, put


@pytest.fixture(params=["scripted", "embedded"])
async def spool(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Spool, Put]]:
    async with scripted() if request.param == "scripted" else embedded(tmp_path) as made:
        yield made


def some(number: int, first: int = 0) -> list[AnswerRecord]:
    return [answer_record(f"rcpt-{n}") for n in range(first, first + number)]


def ids(batch: Batch) -> list[str]:
    return [record.id for record in batch.records]


async def test_each_sink_reads_on_from_where_it_was(spool: tuple[Spool, Put]) -> None:
    shelf, put = spool
    await put(*some(5))
    batch = await shelf.read("first", most=3)
    assert ids(batch) == ["rcpt-0", "rcpt-1", "rcpt-2"]
    await shelf.shipped("first", batch.upto)
    assert ids(await shelf.read("first", most=3)) == ["rcpt-3", "rcpt-4"]
    assert ids(await shelf.read("second", most=9)) == [f"rcpt-{n}" for n in range(5)]


async def test_what_was_not_shipped_is_read_again(spool: tuple[Spool, Put]) -> None:
    shelf, put = spool
    await put(*some(2))
    assert ids(await shelf.read("first", most=1)) == ids(await shelf.read("first", most=1)) == ["rcpt-0"]


async def test_records_come_back_as_they_were(spool: tuple[Spool, Put]) -> None:
    shelf, put = spool
    record = answer_record("rcpt-1", user="u-7", question="Wie heißt das? 日本語 \U0001f433 \x00")
    await put(record)
    assert (await shelf.read("first", most=1)).records == (record,)


async def test_a_sink_that_has_everything_reads_nothing_and_stands_still(spool: tuple[Spool, Put]) -> None:
    shelf, put = spool
    await put(*some(1))
    batch = await shelf.read("first", most=9)
    await shelf.shipped("first", batch.upto)
    assert await shelf.read("first", most=9) == Batch((), batch.upto)
    await shelf.shipped("first", batch.upto)


async def test_waiting_ends_when_there_is_something(spool: tuple[Spool, Put]) -> None:
    shelf, put = spool
    waiting = asyncio.create_task(shelf.arrived("first"))
    many = asyncio.create_task(shelf.arrived("second", records=3))
    await asyncio.sleep(0)
    assert not waiting.done()
    await put(*some(1))
    await asyncio.wait_for(waiting, 5)
    assert not many.done()
    await put(*some(2, 1))
    await asyncio.wait_for(many, 5)


async def test_it_is_not_waited_for_what_came_before(spool: tuple[Spool, Put]) -> None:
    shelf, put = spool
    await put(*some(1))
    await asyncio.wait_for(shelf.arrived("first"), 5)


async def test_what_a_sink_refuses_goes_aside_and_stays_there_for_the_others(spool: tuple[Spool, Put]) -> None:
    shelf, put = spool
    await put(*some(1))
    batch = await shelf.read("first", most=1)
    await shelf.refuse("first", batch.records[0], "too long")
    await shelf.shipped("first", batch.upto)
    assert ids(await shelf.read("second", most=1)) == ["rcpt-0"]


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    async with embedded(tmp_path) as (shelf, put):
        await put(*some(5))
        await shelf.shipped("first", (await shelf.read("first", most=2)).upto)
    async with embedded(tmp_path) as (shelf, put):
        await put(*some(1, 5))
        assert ids(await shelf.read("first", most=9)) == ["rcpt-2", "rcpt-3", "rcpt-4", "rcpt-5"]
        assert ids(await shelf.read("second", most=9)) == [f"rcpt-{n}" for n in range(6)]


async def test_sinks_come_and_go_with_the_settings(tmp_path: Path) -> None:
    counts = SpoolCounts()
    async with spooled_at(tmp_path, ["old"], counts) as (monitor, shelf):
        for record in some(3):
            monitor.take(Made(record))
        assert await monitor.flush(10)
        await asyncio.sleep(0)
        await shelf.shipped("old", (await shelf.read("old", most=2)).upto)
    async with spooled_at(tmp_path, ["new"], counts) as (_, shelf):
        # A new one begins with what there is. One that is gone holds nothing back, and is remembered.
        assert ids(await shelf.read("new", most=9)) == ["rcpt-0", "rcpt-1", "rcpt-2"]
    async with spooled_at(tmp_path, ["new", "old"], counts) as (_, shelf):
        assert ids(await shelf.read("old", most=9)) == ["rcpt-2"]
    assert counts.lost == NOTHING
