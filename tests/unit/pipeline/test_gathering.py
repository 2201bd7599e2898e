"""Texts of several documents go to the model together, and each gets back its own."""

import asyncio
from collections.abc import Sequence

import pytest

from tandem.domain.errors import UpstreamFailed
from tandem.pipeline.gathering import Gathering
from tandem.pipeline.room import Room
from tandem.ports.embedder import DenseVector, EmbedderCard, EmbedKind


class Slow:
    """One number per text, its length; goes on when told. A text `bad` makes the call fail."""

    card = EmbedderCard("slow@1", 1, 256)

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.go_on = asyncio.Event()

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        self.asked.append(list(texts))
        await self.go_on.wait()
        if "bad" in texts:
            raise UpstreamFailed("it is bad")
        return [[float(len(text))] for text in texts]

    def count_tokens(self, text: str) -> int:
        return len(text)


async def begun(model: Slow, *documents: list[str]) -> list[asyncio.Task[list[DenseVector]]]:
    gathering = Gathering(model)
    tasks = []
    for texts in documents:
        tasks.append(asyncio.create_task(gathering.embed(texts)))
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_while_the_model_is_busy_goes_together() -> None:
    model = Slow()
    tasks = await begun(model, ["a"], ["bb", "c"], ["dddd"])
    model.go_on.set()
    assert await asyncio.gather(*tasks) == [[[1.0]], [[2.0], [1.0]], [[4.0]]]
    assert model.asked == [["a"], ["bb", "c", "dddd"]]


async def test_no_more_go_together_than_leave_a_question_its_turn() -> None:
    model = Slow()
    tasks = await begun(model, ["a"], ["b"] * 80, ["c"] * 80, ["d"] * 20)
    model.go_on.set()
    await asyncio.gather(*tasks)
    assert [len(texts) for texts in model.asked] == [1, 80, 100]


async def test_a_text_that_fails_fails_its_own_document_only() -> None:
    model = Slow()
    tasks = await begun(model, ["a"], ["b"], ["bad"], ["dd"])
    model.go_on.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[:2] + found[3:] == [[[1.0]], [[1.0]], [[2.0]]]
    assert isinstance(found[2], UpstreamFailed)


@pytest.mark.parametrize("who", [0, 1])
async def test_who_leaves_takes_nobody_along(who: int) -> None:
    model = Slow()
    tasks = await begun(model, ["a"], ["b"], ["c"])
    tasks[who].cancel()
    await asyncio.sleep(0)
    model.go_on.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found.pop(who), asyncio.CancelledError)
    assert found == [[[1.0]], [[1.0]]]


async def test_a_room_holds_many_small_things_or_one_large() -> None:
    room, inside, most = Room(10), 0, 0

    async def stay(size: int) -> None:
        nonlocal inside, most
        async with room.taken(size):
            inside += min(size, 10)
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= min(size, 10)

    await asyncio.gather(*(stay(size) for size in (4, 4, 4, 50, 0, 10, 3, 3, 3)))
    assert (most, inside) == (10, 0)
