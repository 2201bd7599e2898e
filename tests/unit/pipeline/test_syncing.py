"""A second synchronisation does what is new and nothing else; what fails is remembered, what moves keeps its vectors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.embedder import HashingEmbedder, HashingSparse
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.domain.context import RequestContext
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected
from tandem.domain.syncing import Failure
from tandem.ingestion.labels import Labels
from tandem.ingestion.progress import SyncReport
from tandem.pipeline.ingesting import Ingesting
from tandem.pipeline.labelling import labelled
from tandem.pipeline.remembered import failures_of
from tandem.pipeline.retrying import retry_failed
from tandem.pipeline.syncing import sync
from tandem.ports.source import Listing

CONTEXT = RequestContext("test", groups=("*",))


class PlainLoader:
    name = "plain@1"

    async def load(self, document: RawDocument) -> LoadedDocument:
        if not document.body:
            raise DocumentRejected("It is empty.", reason="empty")
        return LoadedDocument("Title", document.body.decode(), "text/plain")


@dataclass
class Shelf:
    """A source of words by id; `away` cannot be read. `read` tells what was."""

    words: dict[str, str]
    origin: str | None = "shelf:1"
    away: set[str] = field(default_factory=set)
    read: list[str] = field(default_factory=list)
    place: str = "shelf://one"

    async def listing(self) -> Listing:
        return Listing(tuple(Book(self, id_, f"v-{self.words[id_]}") for id_ in sorted(self.words)), origin=self.origin)


@dataclass(frozen=True)
class Book:
    shelf: Shelf
    id: str
    version: str | None
    size: int | None = None

    async def read(self, unless: str | None = None) -> RawDocument | None:
        self.shelf.read.append(self.id)
        if self.id in self.shelf.away:
            raise DocumentRejected("It is away.", reason="unreachable")
        return RawDocument(
            self.id, self.shelf.words[self.id].encode(), self.id, version=self.version, origin=self.shelf.origin
        )


class House:
    def __init__(self) -> None:
        self.vectors, self.embedder = MemoryVectors(), HashingEmbedder()
        self.ingesting = self.opened()

    def opened(self, loader: str = "plain@1") -> Ingesting:
        reader = PlainLoader()
        reader.name = loader
        return Ingesting(
            reader, self.embedder, HashingSparse(), self.vectors, ScriptedClock(), chunk_tokens=40, chunk_overlap=0
        )

    async def sync(self, *shelves: Shelf, prune: bool = False) -> SyncReport:
        return await sync(self.ingesting, shelves, collection="docs", context=CONTEXT, prune=prune)

    async def failures(self) -> list[Failure]:
        return [failure async for failure in failures_of(self.ingesting, "docs", CONTEXT)]

    async def ids(self) -> list[str]:
        return [record.id for record in (await self.ingesting.documents("docs", CONTEXT, limit=100)).records]


@pytest.fixture
def house() -> House:
    return House()


async def test_what_has_not_changed_is_not_read(house: House) -> None:
    shelf = Shelf({"a": "one", "b": "two"})
    assert (await house.sync(shelf)).count("added") == 2
    shelf.read.clear()
    shelf.words["b"] = "other"
    report = await house.sync(shelf)
    assert (report.count("unchanged"), report.count("updated"), report.chunks) == (1, 1, 2)
    assert shelf.read == ["b"]


async def test_another_place_or_another_reader_is_no_reason_to_pass_over(house: House) -> None:
    await house.sync(Shelf({"a": "one"}))
    other = Shelf({"a": "one"}, origin="shelf:2")
    await house.sync(other)
    assert other.read == ["a"]
    house.ingesting = house.opened("plain@2")
    other.read.clear()
    assert (await house.sync(other)).count("updated") == 1
    assert other.read == ["a"]


async def test_a_document_that_moved_keeps_its_vectors(house: House) -> None:
    shelf = Shelf({"a": "one two three"})
    await house.sync(shelf)
    embedded = house.embedder.calls
    shelf.words = {"z": shelf.words["a"]}
    report = await house.sync(shelf, prune=True)
    assert [(outcome.document_id, outcome.status, outcome.reused) for outcome in report.outcomes] == [
        ("z", "added", 1), ("a", "removed", 0),
    ]  # fmt: skip
    assert house.embedder.calls == embedded
    assert await house.ids() == ["z"]


async def test_only_what_is_new_in_a_document_is_embedded(house: House) -> None:
    paragraphs = [f"Paragraph {number} " + "word " * 35 for number in range(5)]
    shelf = Shelf({"a": "\n\n".join(paragraphs)})
    chunks = (await house.sync(shelf)).chunks
    embedded = house.embedder.calls
    shelf.words["a"] += "\n\nA last one."
    (outcome,) = (await house.sync(shelf)).outcomes
    assert outcome.status == "updated"
    assert house.embedder.calls - embedded == outcome.chunks - outcome.reused <= 2
    assert outcome.reused >= chunks - 1


async def test_pruning_takes_what_came_from_this_place_only(house: House) -> None:
    one, two = Shelf({"a": "one", "b": "two"}), Shelf({"c": "three"}, origin="shelf:2", place="shelf://two")
    await house.sync(one, two)
    await house.ingesting.put("docs", RawDocument("mine", b"by hand", "mine"), CONTEXT)
    one.words, two.words = {"b": "two"}, {}
    assert (await house.sync(one, prune=True)).count("removed") == 1
    assert await house.ids() == ["b", "c", "mine"]


async def test_what_fails_is_remembered_and_tried_again(house: House) -> None:
    shelf = Shelf({"a": "one", "b": "", "c": "three"}, away={"c"})
    report = await house.sync(shelf)
    assert report.count("failed") == 2
    assert [(one.document_id, one.reason, one.place, one.attempts) for one in await house.failures()] == [
        ("b", "empty", "shelf://one", 1), ("c", "unreachable", "shelf://one", 1),
    ]  # fmt: skip
    await house.sync(shelf)
    assert [one.attempts for one in await house.failures()] == [2, 2]
    shelf.away.clear()
    shelf.read.clear()
    done = await _retried(house, shelf)
    assert (done.count("added"), done.count("failed")) == (1, 1)
    assert shelf.read == ["b", "c"]
    assert [one.document_id for one in await house.failures()] == ["b"]
    del shelf.words["b"]
    await house.sync(shelf)
    assert await house.failures() == []


async def test_who_may_see_a_document_stays_so_when_it_is_tried_again(house: House) -> None:
    shelf = Shelf({"a": "", "b": "two"}, away={"b"})
    sources = labelled([shelf], Labels(acl=("board",)))
    await sync(house.ingesting, sources, collection="docs", context=CONTEXT)
    assert {failure.acl for failure in await house.failures()} == {("board",)}
    shelf.words, shelf.away = {"a": "one", "b": "two"}, set()
    await _retried(house, shelf)
    records = (await house.ingesting.documents("docs", CONTEXT, limit=10)).records
    assert [record.acl for record in records] == [("board",), ("board",)]


async def test_a_document_that_failed_and_is_again_as_it_was_is_looked_at(house: House) -> None:
    shelf = Shelf({"a": "one"})
    await house.sync(shelf)
    shelf.words["a"] = ""
    await house.sync(shelf)
    shelf.words["a"] = "one"
    assert (await house.sync(shelf)).count("unchanged") == 1
    assert await house.failures() == []


async def _retried(house: House, shelf: Shelf) -> SyncReport:
    @asynccontextmanager
    async def opened(place: str) -> AsyncIterator[list[Shelf]]:
        assert place == shelf.place
        yield [shelf]

    return (await retry_failed(house.ingesting, opened, collection="docs", context=CONTEXT)).report
