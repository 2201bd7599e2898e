"""A process that works on one batch ends with it, when it is told to, and when it cannot go on."""

import asyncio
from dataclasses import replace

import pytest

from fakes.batches import BatchStores
from tandem.app.batch_work import until_over


async def answering() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise RuntimeError("unforeseen")


async def test_it_ends_with_its_batch() -> None:
    stores = BatchStores()
    batch = await stores.created(lines=1)
    await stores.batches.end(await stores.claimed(), replace(batch, status="completed"), ())
    said: list[str] = []
    assert await until_over(answering(), stores.batches, batch.id, asyncio.Event(), said.append)
    assert said == ["completed: 0 answered, 0 failed, 1 open"]


async def test_it_ends_when_it_is_told_to() -> None:
    stores, leave = BatchStores(), asyncio.Event()
    batch = await stores.created()
    assert not await until_over(answering(), stores.batches, batch.id, leave, lambda _: leave.set())


async def test_it_does_not_wait_for_a_batch_that_it_cannot_answer() -> None:
    stores = BatchStores()
    batch = await stores.created()
    async with asyncio.timeout(5):
        with pytest.raises(ExceptionGroup, match="unhandled"):
            await until_over(broken(), stores.batches, batch.id, asyncio.Event(), lambda _: None)
