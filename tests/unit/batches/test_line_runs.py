"""Lines are taken up in their order, so many at a time, and no more once it is enough."""

import asyncio
from collections.abc import Iterator

import pytest

from tandem.domain.batch_line import BatchLine
from tandem.pipeline.batches.running import Stop, run_lines


def lines(count: int) -> Iterator[BatchLine]:
    return (BatchLine(number, str(number), b"{}") for number in range(count))


async def test_so_many_at_a_time_and_each_once_in_their_order() -> None:
    seen: list[int] = []
    running = most = 0

    async def work(line: BatchLine) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        seen.append(line.number)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= 1

    await run_lines(lines(10), work, Stop(), concurrency=4, grace_s=5)
    assert (most, seen) == (4, list(range(10)))


async def test_stopped_it_takes_up_no_more_and_what_runs_may_end() -> None:
    stop, ended, go = Stop(), list[int](), asyncio.Event()

    async def work(line: BatchLine) -> None:
        if line.number == 2:
            stop.set("enough")
            stop.set("later")
            asyncio.get_running_loop().call_soon(go.set)
        await go.wait()
        ended.append(line.number)

    await run_lines(lines(50), work, stop, concurrency=3, grace_s=60)
    assert (stop.why, sorted(ended)) == ("enough", [0, 1, 2])


async def test_what_does_not_end_in_time_is_cancelled() -> None:
    stop, cancelled = Stop(), list[int]()

    async def work(line: BatchLine) -> None:
        if line.number == 2:
            stop.set("enough")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(line.number)

    await run_lines(lines(50), work, stop, concurrency=3, grace_s=0)
    assert sorted(cancelled) == [0, 1, 2]


async def test_what_breaks_ends_it() -> None:
    async def work(line: BatchLine) -> None:
        if line.number == 3:
            raise OSError("full")

    with pytest.raises(ExceptionGroup) as broken:
        await run_lines(lines(50), work, Stop(), concurrency=2, grace_s=5)
    assert isinstance(broken.value.exceptions[0], OSError)
