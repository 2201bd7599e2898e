"""Work ends with its client, with its deadline, or by itself; and it has ended when that is told."""

import asyncio

import pytest
from starlette.types import Message

from tandem.domain.errors import DeadlineExceeded
from tandem.http.errors import ClientGone
from tandem.http.presence import while_wanted


class Client:
    """Its `receive` waits until it leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.waiting = 0

    async def receive(self) -> Message:
        self.waiting += 1
        try:
            await self.left.wait()
        finally:
            self.waiting -= 1
        return {"type": "http.disconnect"}


class Work:
    """Runs until told, and takes its time to clean up."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.cleaned = False

    async def run(self) -> str:
        try:
            await self.go.wait()
        finally:
            await asyncio.sleep(0)
            self.cleaned = True
        return "done"


async def test_work_that_ends_gives_its_result() -> None:
    client, work = Client(), Work()
    work.go.set()
    assert await while_wanted(work.run(), client.receive, left_s=None, stage="x") == "done"
    assert client.waiting == 0


async def test_a_client_that_leaves_ends_the_work() -> None:
    client, work = Client(), Work()
    client.left.set()
    with pytest.raises(ClientGone):
        await while_wanted(work.run(), client.receive, left_s=60, stage="x")
    assert work.cleaned


@pytest.mark.parametrize("left_s", [0.01, 0, -5])
async def test_the_deadline_ends_the_work(left_s: float) -> None:
    client, work = Client(), Work()
    with pytest.raises(DeadlineExceeded) as passed:
        await while_wanted(work.run(), client.receive, left_s=left_s, stage="answering")
    assert passed.value.stage == "answering"
    assert client.waiting == 0


async def test_a_part_that_keeps_the_deadline_is_heard_first() -> None:
    async def keeping() -> None:
        await asyncio.sleep(0.02)
        raise DeadlineExceeded("search")

    with pytest.raises(DeadlineExceeded) as passed:
        await while_wanted(keeping(), Client().receive, left_s=0.02, stage="answering")
    assert passed.value.stage == "search"


async def test_cancelling_from_outside_ends_everything() -> None:
    client, work = Client(), Work()
    waiting = asyncio.create_task(while_wanted(work.run(), client.receive, left_s=None, stage="x"))
    while not client.waiting:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.cleaned
    assert client.waiting == 0


async def test_failures_pass_through() -> None:
    async def fail() -> None:
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        await while_wanted(fail(), Client().receive, left_s=1, stage="x")
