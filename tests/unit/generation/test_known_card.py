"""A model behind the same address may be swapped; what is known of it follows."""

import asyncio
from dataclasses import dataclass, field

import pytest

from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.generation import ModelCard
from tandem.generation.known_card import KnownCard

SMALL, LARGE = ModelCard("8b", "tgi", 4096), ModelCard("30b", "tgi", 8192)


@dataclass
class Hand:
    """A clock that is set by hand."""

    now_s: float = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def epoch_s(self) -> float:
        return self.now_s


@dataclass
class Told:
    """A server that tells what it is set to, and counts."""

    card: ModelCard | None = SMALL
    asked: list[float] = field(default_factory=list)

    async def __call__(self, timeout_s: float) -> ModelCard:
        self.asked.append(timeout_s)
        await asyncio.sleep(0)
        if self.card is None:
            raise UpstreamUnavailable("away")
        return self.card


async def test_it_is_asked_once_while_fresh() -> None:
    told, clock = Told(), Hand()
    known = KnownCard(told, clock, fresh_s=15)
    assert [await known.get() for _ in range(3)] == [SMALL] * 3
    clock.now_s += 14.9
    await known.get()
    assert len(told.asked) == 1


async def test_another_model_is_noticed() -> None:
    told, clock = Told(), Hand()
    known = KnownCard(told, clock, fresh_s=15)
    await known.get()
    told.card = LARGE
    clock.now_s += 15
    assert await known.get() == LARGE


async def test_one_of_many_asks_again_and_waits_less() -> None:
    told, clock = Told(), Hand()
    known = KnownCard(told, clock, fresh_s=15)
    await known.get()
    clock.now_s += 15
    await asyncio.gather(*(known.get() for _ in range(9)))
    assert len(told.asked) == 2
    assert told.asked[1] < told.asked[0]


async def test_who_is_away_keeps_what_was_known() -> None:
    told, clock = Told(), Hand()
    known = KnownCard(told, clock, fresh_s=15)
    await known.get()
    told.card = None
    clock.now_s += 15
    assert await known.get() == SMALL


async def test_who_never_told_raises() -> None:
    known = KnownCard(Told(None), Hand())
    with pytest.raises(UpstreamUnavailable):
        await known.get()


async def test_who_doubts_has_it_asked_anew() -> None:
    told = Told()
    known = KnownCard(told, Hand(), fresh_s=15)
    await known.get()
    told.card = LARGE
    known.doubt()
    assert [await known.get(), await known.get()] == [LARGE] * 2
    assert len(told.asked) == 2


async def test_one_asks_for_all_who_doubt_by_then_and_all_wait_for_it() -> None:
    told = Told()
    known = KnownCard(told, Hand(), fresh_s=15)
    await known.get()
    told.card = LARGE
    for _ in range(9):
        known.doubt()
    assert await asyncio.gather(*(known.get() for _ in range(9))) == [LARGE] * 9
    assert len(told.asked) == 2


async def test_a_doubt_that_comes_while_it_is_asked_is_not_settled_by_that() -> None:
    told = Told()
    known = KnownCard(told, Hand(), fresh_s=15)
    await known.get()
    known.doubt()
    early = asyncio.create_task(known.get())
    while len(told.asked) < 2:
        await asyncio.sleep(0)
    known.doubt()
    late = asyncio.create_task(known.get())
    await early
    told.card = LARGE
    assert await late == LARGE
    assert len(told.asked) == 3


async def test_what_does_not_tell_is_not_waited_for_at_each_doubt() -> None:
    told, clock = Told(), Hand()
    known = KnownCard(told, clock, fresh_s=15)
    await known.get()
    told.card = None
    for _ in range(9):
        known.doubt()
    assert await asyncio.gather(*(known.get() for _ in range(9))) == [SMALL] * 9
    assert len(told.asked) == 2
    told.card = LARGE
    clock.now_s += 15
    assert await known.get() == LARGE


async def test_no_older_answer_comes_behind_a_newer_one() -> None:
    released: list[asyncio.Event] = []
    cards = iter([SMALL, SMALL, LARGE])

    async def ask(_: float) -> ModelCard:
        card = next(cards)
        if released:
            await released[-1].wait()
        return card

    clock = Hand()
    known = KnownCard(ask, clock, fresh_s=15)
    await known.get()
    released.append(asyncio.Event())
    clock.now_s += 15
    early = asyncio.create_task(known.get())
    await asyncio.sleep(0)
    slow = released.pop()
    known.doubt()
    late = asyncio.create_task(known.get())
    await asyncio.sleep(0)
    slow.set()
    assert (await early, await late, await known.get()) == (SMALL, LARGE, LARGE)
