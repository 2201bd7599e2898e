"""One suite for every stream of questions: what is published is there once, in order, and what is not comes again."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest
from aiokafka.errors import KafkaError

from fakes.kafka_broker import kafka_broker
from fakes.topics import Topics, topics
from tandem.adapters.scripted.question_stream import ScriptedQuestions
from tandem.adapters.sources.kafka_partition import KafkaPartition, Targets
from tandem.adapters.sources.kafka_place import kafka_place
from tandem.adapters.sources.kafka_questions import KafkaQuestions
from tandem.domain.errors import InvalidRequest, UpstreamUnavailable
from tandem.ports.question_stream import OpenQuestions, Posed, QuestionStream, Reply


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with TemporaryDirectory() as folder, kafka_broker(Path(folder)) as address:
        yield address


class World(Protocol):
    @property
    def stream(self) -> QuestionStream: ...

    async def ask(self, *bodies: bytes, partition: int = 0) -> None: ...

    async def told(self) -> list[bytes]: ...


class Scripted:
    def __init__(self) -> None:
        self.stream = ScriptedQuestions(2)

    async def ask(self, *bodies: bytes, partition: int = 0) -> None:
        self.stream.ask(*bodies, partition=partition)

    async def told(self) -> list[bytes]:
        return [reply.body for reply in self.stream.told]


class Kafka:
    def __init__(self, there: Topics) -> None:
        self.there = there
        self.stream = KafkaQuestions(kafka_place(there.place), Targets(there.answers, there.dead_letters))

    async def ask(self, *bodies: bytes, partition: int = 0) -> None:
        await self.there.ask(*bodies, partition=partition, key=b"one")

    async def told(self) -> list[bytes]:
        return [record.value for record in await self.there.told(self.there.answers)]


@pytest.fixture(params=["scripted", "kafka"])
async def world(request: pytest.FixtureRequest) -> World:
    if request.param == "scripted":
        return Scripted()
    return Kafka(await topics(request.getfixturevalue("broker")))


@dataclass
class Member:
    """One who takes part, keeping its membership up as the port wants it."""

    source: OpenQuestions
    taken: list[Posed] = field(default_factory=list)
    wanted: int = 100
    full: Collection[int] = ()
    keeping: asyncio.Task[None] | None = None

    async def keep(self) -> None:
        while True:
            self.taken += await self.source.take(self.wanted, self.full)

    async def until(self, number: int) -> Sequence[Posed]:
        async with asyncio.timeout(40):
            while len(self.taken) < number:
                if self.keeping is not None and self.keeping.done():
                    self.keeping.result()
                await asyncio.sleep(0.01)
        return self.taken


@asynccontextmanager
async def member(world: World, lost: list[int] | None = None) -> AsyncIterator[Member]:
    gone = [] if lost is None else lost
    async with world.stream.open(gone.extend) as source:
        one = Member(source)
        one.keeping = asyncio.create_task(one.keep())
        try:
            yield one
        finally:
            one.keeping.cancel()
            await asyncio.wait([one.keeping])


def answered(posed: Sequence[Posed]) -> list[Reply]:
    return [Reply(each, b"A: " + (each.body or b"")) for each in posed]


async def test_what_is_published_is_there_and_does_not_come_again(world: World) -> None:
    await world.ask(b"1", b"2", b"3", b"4")
    async with member(world) as one:
        taken = await one.until(4)
        assert [(each.partition, each.position, each.body) for each in taken] == [
            (0, n, str(n + 1).encode()) for n in range(4)
        ]
        assert await one.source.publish(0, answered(taken[:1]))
        assert await one.source.publish(0, answered(taken[1:3]))
        assert await world.told() == [b"A: 1", b"A: 2", b"A: 3"]
    async with member(world) as another:
        await world.ask(b"5")
        assert [each.body for each in await another.until(2)] == [b"4", b"5"]
        assert await another.source.publish(0, answered(another.taken))
    assert await world.told() == [b"A: 1", b"A: 2", b"A: 3", b"A: 4", b"A: 5"]


async def test_none_is_taken_of_a_partition_that_is_full_and_none_at_all_when_none_is_wanted(world: World) -> None:
    await world.ask(b"first", partition=1)
    async with member(world) as one:
        await one.until(1)
        one.full = (0,)
        await asyncio.sleep(0.3)
        await world.ask(b"held", partition=0)
        await world.ask(b"second", partition=1)
        assert [each.body for each in await one.until(2)] == [b"first", b"second"]
        one.full, one.wanted = (), 0
        # A look that has begun sees what comes meanwhile.
        await asyncio.sleep(0.5)
        so_far = len(one.taken)
        await world.ask(b"third", partition=1)
        await asyncio.sleep(1)
        assert len(one.taken) == so_far
        one.wanted = 100
        await one.until(4)
        assert {each.body for each in one.taken} == {b"first", b"second", b"held", b"third"}


async def test_a_second_member_gets_its_share_and_the_first_can_say_nothing_about_it_any_more(world: World) -> None:
    await world.ask(b"a", partition=0)
    await world.ask(b"b", partition=1)
    lost: list[int] = []
    async with member(world, lost) as one:
        taken = list(await one.until(2))
        async with member(world) as two:
            (moved,) = list(await two.until(1))
            async with asyncio.timeout(20):
                while not lost:
                    await asyncio.sleep(0.01)
            assert lost == [moved.partition]
            stayed = next(each for each in taken if each.partition != moved.partition)
            assert not await one.source.publish(moved.partition, answered([moved]))
            # What stayed is still in hand: it does not come again, and its answer counts.
            assert await one.source.publish(stayed.partition, answered([stayed]))
            assert await two.source.publish(moved.partition, answered([moved]))
            assert len(one.taken) == 2
    assert sorted(await world.told()) == [b"A: a", b"A: b"]


async def test_how_many_are_behind_is_known(world: World) -> None:
    await world.ask(b"1", b"2", b"3")
    async with member(world) as one:
        taken = await one.until(3)
        assert one.source.behind == 3
        await one.source.publish(0, answered(taken[:2]))
        assert one.source.behind == 1


@asynccontextmanager
async def owner(there: Topics) -> AsyncIterator[KafkaPartition]:
    one = KafkaPartition(kafka_place(there.place), 0, Targets(there.answers))
    try:
        await one.open()
        yield one
    finally:
        await one.close()


async def test_the_next_owner_of_a_partition_ends_what_the_one_before_left_open(broker: str) -> None:
    there = await topics(broker, 1)
    posed = Posed(there.questions, 0, 0, b"?", b"k")
    async with owner(there) as left:
        # In the middle of a transaction, as one that was killed there.
        await left._producer.begin_transaction()
        await (await left._send(Reply(posed, b"half")))
        async with owner(there) as heir:
            await heir.publish([Reply(posed, b"whole")])
            with pytest.raises(KafkaError):
                await left._producer.commit_transaction()
    assert [record.value for record in await there.told(there.answers)] == [b"whole"]
    assert [record.value for record in await there.told(there.answers, committed=False)] == [b"half", b"whole"]


async def test_one_that_does_not_know_that_it_was_replaced_cannot_commit(broker: str) -> None:
    there = await topics(broker, 1)
    posed = Posed(there.questions, 0, 0, b"?", b"k")
    async with owner(there) as old, owner(there) as new:
        await new.publish([Reply(posed, b"new")])
        with pytest.raises(UpstreamUnavailable, match="Fenced"):
            await old.publish([Reply(posed, b"old")])
    assert [record.value for record in await there.told(there.answers)] == [b"new"]


async def test_records_without_an_answer_go_where_they_are_wanted(broker: str) -> None:
    there = await topics(broker, 1)
    world = Kafka(there)
    await there.ask(b"bad", headers=[("mine", b"7")])
    async with member(world) as one:
        (posed,) = await one.until(1)
        assert (posed.key, posed.headers) == (b"k0", (("mine", b"7"),))
        assert posed.at_s > 1e9
        await one.source.publish(0, [Reply(posed, b'{"error":{}}', (("tandem-error", b"e"),), failed=True)])
    assert await there.told(there.answers) == []
    (dead,) = await there.told(there.dead_letters)
    assert (dead.key, dead.value) == (b"k0", b"bad")
    assert dict(dead.headers) == {"tandem-error": b"e", "tandem-error-body": b'{"error":{}}'}


async def test_a_stream_that_is_not_there_says_so(broker: str) -> None:
    there = await topics(broker, 1)
    with pytest.raises(InvalidRequest, match="There is no topic 'nowhere'"):
        async with KafkaQuestions(kafka_place(there.place), Targets("nowhere")).open(lambda _: None):
            pass
    gone = KafkaQuestions(kafka_place("kafka://127.0.0.1:1/q"), Targets("a"))
    with pytest.raises(UpstreamUnavailable, match="failed"):
        async with gone.open(lambda _: None):
            pass


async def test_a_stream_whose_partition_was_taken_from_it_goes_on_where_it_is_done(broker: str) -> None:
    there = await topics(broker, 1)
    world = Kafka(there)
    await world.ask(b"1", b"2")
    async with member(world) as one:
        taken = await one.until(2)
        assert await one.source.publish(0, answered(taken[:1]))
        # As if the group had given it to another one that never says so.
        async with owner(there):
            with pytest.raises(UpstreamUnavailable, match="Fenced"):
                await one.source.publish(0, answered(taken[1:]))
    async with member(world) as again:
        (last,) = await again.until(1)
        assert await again.source.publish(0, answered([last]))
    assert await world.told() == [b"A: 1", b"A: 2"]
