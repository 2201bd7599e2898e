"""A topic of a real broker, followed: what is put and deleted there is so in the collection, once, whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from fakes.kafka_broker import kafka_broker
from tandem.adapters.scripted.embedder import HashingEmbedder, HashingSparse
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.adapters.sources.loader import document_loader
from tandem.adapters.sources.place import source_of, stream_of
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.domain.document import IngestOutcome, RawDocument
from tandem.domain.errors import InvalidRequest, UpstreamUnavailable
from tandem.pipeline.following import Applied, follow
from tandem.pipeline.ingesting import Ingesting
from tandem.pipeline.remembered import failures_of

CONTEXT = RequestContext("test", groups=("*",))


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with TemporaryDirectory() as folder, kafka_broker(Path(folder)) as address:
        yield address


@pytest.fixture
async def ingesting() -> AsyncIterator[Ingesting]:
    async with document_loader(workers=1) as loader:
        yield Ingesting(loader, HashingEmbedder(), HashingSparse(), MemoryVectors(), SystemClock())


class Topic:
    def __init__(self, broker: str, name: str) -> None:
        self.broker, self.name = broker, name
        self.place = f"kafka://{broker}/{name}"

    async def send(self, *records: tuple[str, bytes | None], headers: Mapping[str, str] | None = None) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.broker)
        await producer.start()
        try:
            for key, value in records:
                told = [(name, text.encode()) for name, text in (headers or {}).items()]
                await producer.send_and_wait(self.name, value, key=key.encode() or None, headers=told)
        finally:
            await producer.stop()

    async def follow(self, ingesting: Ingesting) -> list[tuple[str, str]]:
        seen: list[Applied] = []
        stream = stream_of(self.place, max_document_bytes=1_000)
        await follow(ingesting, stream, collection="docs", context=CONTEXT, until_end=True, watch=seen.append)
        return [(one.outcome.document_id, one.outcome.status) for one in seen]


@pytest.fixture
async def topic(broker: str) -> Topic:
    name = f"t{uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1)])
    await admin.close()
    return Topic(broker, name)


async def ids(ingesting: Ingesting) -> list[str]:
    return [record.id for record in (await ingesting.documents("docs", CONTEXT, limit=100)).records]


async def test_events_take_effect_once_and_in_order(topic: Topic, ingesting: Ingesting) -> None:
    await topic.send(("a.md", b"# A"), ("b.md", b"# B"), headers={"title": "Told", "tags": "x, y", "author": "Ann"})
    assert sorted(await topic.follow(ingesting)) == [("a.md", "added"), ("b.md", "added")]
    record = (await ingesting.document("docs", "a.md", CONTEXT)).record
    assert (record.title, record.tags, record.author) == ("Told", ("x", "y"), "Ann")
    await topic.send(("a.md", b"# A, again"), ("a.md", b"# A, at last"), ("b.md", None))
    assert sorted(await topic.follow(ingesting)) == [("a.md", "updated"), ("b.md", "removed")]
    assert (await ingesting.document("docs", "a.md", CONTEXT)).chunks[0].text == "# A, at last"
    assert await ids(ingesting) == ["a.md"]
    # Nothing was committed at the broker, and yet nothing comes again.
    assert await topic.follow(ingesting) == []


async def test_what_cannot_be_ingested_is_remembered_and_the_stream_goes_on(topic: Topic, ingesting: Ingesting) -> None:
    await topic.send(
        ("empty.md", b""), ("", b"no key"), ("..", b"no id"), ("large.md", b"x" * 2_000), ("fine.md", b"# F")
    )
    outcomes = dict(await topic.follow(ingesting))
    assert outcomes.pop("fine.md") == "added"
    assert set(outcomes.values()) == {"failed"}
    failures = [failure async for failure in failures_of(ingesting, "docs", CONTEXT)]
    assert sorted(failure.reason for failure in failures) == ["empty", "invalid_request", "unreadable", "unreadable"]
    assert all(failure.place and failure.place.startswith(f"{topic.place}?partition=") for failure in failures)
    assert await topic.follow(ingesting) == []
    # Each can be had again by its place, to be tried once more.
    again = {failure.document_id: await source_of(failure.place or "").listing() for failure in failures}
    assert {ref.id for listing in again.values() for ref in listing.refs} == set(again)
    large = await again["large.md"].refs[0].read()
    assert large is not None
    assert (len(large.body), large.position) == (2_000, None)
    await topic.send(("empty.md", b"# Better"))
    await topic.follow(ingesting)
    assert "empty.md" not in {failure.document_id async for failure in failures_of(ingesting, "docs", CONTEXT)}


class Killed(Exception):
    """As if the process had ended here."""


class Mortal(Ingesting):
    """Ends, before or after its nth write, as a process does that is killed."""

    dies_at = 0
    before = True

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        self.dies_at -= 1
        if self.dies_at == 0 and self.before:
            raise Killed
        outcome = await super().put(collection, document, context)
        if self.dies_at == 0:
            raise Killed
        return outcome


@pytest.mark.parametrize("before", [True, False])
async def test_a_reader_that_ends_at_any_event_is_continued_by_the_next(topic: Topic, before: bool) -> None:
    events = [("a", b"1"), ("b", b"1"), ("a", None), ("c", b"1"), ("b", b"2"), ("a", b"3"), ("c", None)]
    async with document_loader(workers=1) as loader:
        vectors = MemoryVectors()
        for number, event in enumerate(events):
            await topic.send(event)
            reader = Mortal(loader, HashingEmbedder(), HashingSparse(), vectors, SystemClock())
            reader.dies_at, reader.before = 1 + number % 2, before
            try:
                await topic.follow(reader)
            except Killed:
                continue
        reader = Mortal(loader, HashingEmbedder(), HashingSparse(), vectors, SystemClock())
        await topic.follow(reader)
        assert await ids(reader) == ["a", "b"]
        assert [(await reader.document("docs", id_, CONTEXT)).chunks[0].text for id_ in ("a", "b")] == ["3", "2"]


async def test_two_readers_of_one_group_share_the_partitions(topic: Topic, ingesting: Ingesting) -> None:
    await topic.send(*((f"{number}.md", b"# One") for number in range(20)))
    seen: list[str] = []

    async def read() -> None:
        stream = stream_of(topic.place)
        await follow(
            ingesting, stream, collection="docs", context=CONTEXT,
            watch=lambda one: seen.append(one.outcome.document_id),
        )  # fmt: skip

    readers = [asyncio.create_task(read()) for _ in range(2)]
    try:
        async with asyncio.timeout(30):
            while len(seen) < 20:
                await asyncio.sleep(0.05)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    assert len(await ids(ingesting)) == 20
    assert await topic.follow(ingesting) == []


async def test_what_is_not_there_says_so(broker: str, ingesting: Ingesting) -> None:
    with pytest.raises(InvalidRequest, match="no topic"):
        await Topic(broker, "nothing").follow(ingesting)
    with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
        await Topic("127.0.0.1:1", "nothing").follow(ingesting)
    with pytest.raises(InvalidRequest, match="names no topic"):
        stream_of("kafka://host")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        stream_of("kafka://[host/topic")
