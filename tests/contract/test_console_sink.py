"""Records as lines on a stream: whole lines, whatever the reader does."""

import asyncio
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import orjson
import pytest

from fakes.records import answer_record
from tandem.adapters.console.sink import console_sink, line
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.record import AnswerRecord

LONG = "What? " * 20_000


class Pipe:
    """One that takes little, and what was read from it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        self.read = b""

    def take(self, most: int) -> None:
        """So many bytes, as soon as there are any."""
        self.read += os.read(self.reader, most)

    def drain(self) -> threading.Thread:
        """All that comes until the writer closes, in a thread."""

        def run() -> None:
            while piece := os.read(self.reader, 65_536):
                self.read += piece

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def ids(self) -> list[str]:
        """Of the lines, each of which has to be one."""
        return [orjson.loads(each)["record"]["id"] for each in self.read.splitlines()]

    def close(self) -> None:
        for each in (self.reader, self.writer):
            with suppress(OSError):
                os.close(each)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def records(*numbers: int, question: str = "What?") -> list[AnswerRecord]:
    return [answer_record(f"rcpt-{number}", question=question) for number in numbers]


def test_a_line_says_what_it_is_and_all_of_the_record() -> None:
    said = line(answer_record(user="jo\n"))
    assert said.count(b"\n") == 1
    told = orjson.loads(said)
    assert told["tandem"] == "answer"
    assert told["record"]["asker"]["user"] == "jo\n"
    assert told["record"]["retrieval"]["passages"][0]["chunk_id"] == "harbour.md#0"


async def test_long_lines_pass_a_small_pipe_whole(pipe: Pipe) -> None:
    reading = pipe.drain()
    async with console_sink(pipe.writer) as sink:
        await sink.ship(records(1, 2, 3, question=LONG))
    os.close(pipe.writer)
    await asyncio.to_thread(reading.join)
    assert pipe.ids() == ["rcpt-1", "rcpt-2", "rcpt-3"]


async def test_a_stuck_reader_holds_up_nothing_but_the_sink(pipe: Pipe) -> None:
    async with console_sink(pipe.writer, patience_s=0.2) as sink:
        longest_s, last_s = 0.0, time.perf_counter()
        shipping = asyncio.create_task(sink.ship(records(1, question=LONG)))
        while not shipping.done():
            await asyncio.sleep(0.005)
            longest_s, last_s = max(longest_s, time.perf_counter() - last_s), time.perf_counter()
        with pytest.raises(UpstreamUnavailable, match="does not read on"):
            await shipping
    assert longest_s < 0.15


async def test_a_line_that_was_begun_is_finished_before_the_next(pipe: Pipe) -> None:
    async with console_sink(pipe.writer, patience_s=0.1) as sink:
        with pytest.raises(UpstreamUnavailable):
            await sink.ship(records(1, 2, question=LONG))
        reading = pipe.drain()
        # The spool ships the batch once more.
        await sink.ship(records(1, 2, question=LONG))
    os.close(pipe.writer)
    await asyncio.to_thread(reading.join)
    assert pipe.ids() == ["rcpt-1", "rcpt-1", "rcpt-2"]


async def test_nobody_reads_any_more(pipe: Pipe) -> None:
    os.close(pipe.reader)
    async with console_sink(pipe.writer) as sink:
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable, match="Broken pipe"):
                await sink.ship(records(1))


async def test_the_end_of_the_process_waits_for_no_reader(pipe: Pipe) -> None:
    began_s = time.perf_counter()
    async with console_sink(pipe.writer, patience_s=60) as sink:
        shipping = asyncio.create_task(sink.ship(records(1, question=LONG)))
        await asyncio.sleep(0.01)
    with pytest.raises(UpstreamUnavailable):
        await shipping
    assert time.perf_counter() - began_s < 5


async def test_one_who_left_is_not_written_for(pipe: Pipe) -> None:
    async with console_sink(pipe.writer, patience_s=0.3) as sink:
        first = asyncio.create_task(sink.ship(records(1, question=LONG)))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(sink.ship(records(2)))
        await asyncio.sleep(0.02)
        second.cancel()
        reading = pipe.drain()
        await asyncio.gather(first, second, return_exceptions=True)
        await sink.ship(records(3))
    os.close(pipe.writer)
    await asyncio.to_thread(reading.join)
    assert pipe.ids() == ["rcpt-1", "rcpt-3"]
