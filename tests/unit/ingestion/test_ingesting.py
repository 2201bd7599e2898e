"""One document through the pipeline, over doubles: what is written, and when nothing is."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tandem.adapters.scripted.embedder import HashingEmbedder, HashingSparse
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.domain.context import RequestContext
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest, StoreMismatch, UnknownCollection, UnknownDocument
from tandem.pipeline.ingesting import Ingesting

MINE = RequestContext("r", tenant="mine", groups=("staff",))
THEIRS = RequestContext("r", tenant="theirs")
DOCUMENT = RawDocument("guide.md", b"# Guide\n\nWords of the guide.", "/docs/guide.md", modified_at=5.0, tags=("a",))


class PlainLoader:
    """Text as it is; counts the documents that are in its hands at once."""

    name = "plain@1"

    def __init__(self) -> None:
        self.inside = self.most = 0

    async def load(self, document: RawDocument) -> LoadedDocument:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        if document.body == b"broken":
            raise DocumentRejected("broken", reason="damaged")
        return LoadedDocument(document.title or "Guide", document.body.decode(), "text/markdown")


class FrozenClock:
    def monotonic_s(self) -> float:
        return 0.0

    def epoch_s(self) -> float:
        return 1234.5


class House:
    """The pipeline with all that stands behind it."""

    def __init__(self, vectors: MemoryVectors | None = None, **cut: Any) -> None:
        self.vectors = vectors or MemoryVectors()
        self.embedder = HashingEmbedder()
        self.loader = PlainLoader()
        self.ingesting = Ingesting(self.loader, self.embedder, HashingSparse(), self.vectors, FrozenClock(), **cut)


@pytest.fixture
def house() -> House:
    return House()


async def test_added_then_unchanged_then_updated(house: House) -> None:
    put = house.ingesting.put
    first = await put("docs", DOCUMENT, MINE)
    assert (first.status, first.chunks) == ("added", 1)
    writes, embedded = house.vectors.writes, house.embedder.calls
    again = await put("docs", replace(DOCUMENT, modified_at=99.0), MINE)
    assert (again.status, again.chunks) == ("unchanged", 1)
    assert (house.vectors.writes, house.embedder.calls) == (writes, embedded)
    assert (await put("docs", replace(DOCUMENT, body=b"# Guide\n\nOther words."), MINE)).status == "updated"
    stored = await house.ingesting.document("docs", "guide.md", MINE)
    assert [chunk.text for chunk in stored.chunks] == ["# Guide\n\nOther words."]


@pytest.mark.parametrize(
    "changed",
    [
        replace(DOCUMENT, title="Other"),
        replace(DOCUMENT, media_type="text/plain"),
    ],
)
async def test_what_the_chunks_depend_on_counts_as_change(house: House, changed: RawDocument) -> None:
    await house.ingesting.put("docs", DOCUMENT, MINE)
    writes = house.vectors.writes
    assert (await house.ingesting.put("docs", changed, MINE)).status == "updated"
    assert house.vectors.writes > writes


@pytest.mark.parametrize(
    "changes",
    [
        {"tags": ("b",)},
        {"source": "/elsewhere"},
        {"author": "Ann Lee"},
        {"created_at": 7.5},
        {"language": "de"},
        {"path": "guide/guide.md"},
        {"acl": ("staff", "board")},
    ],
)
async def test_what_is_said_of_a_document_is_rewritten_without_embedding(
    house: House, changes: dict[str, object]
) -> None:
    changed = replace(DOCUMENT, **changes)  # type: ignore[arg-type]
    await house.ingesting.put("docs", DOCUMENT, MINE)
    before = (await house.ingesting.document("docs", "guide.md", MINE)).record
    calls = house.embedder.calls
    first = await house.ingesting.put("docs", changed, MINE)
    assert (first.status, first.chunks) == ("updated", 1)
    assert (await house.ingesting.put("docs", changed, MINE)).status == "unchanged"
    assert house.embedder.calls == calls
    found = (await house.ingesting.document("docs", "guide.md", MINE)).record
    assert found == replace(before, fingerprint=found.fingerprint, **changes)  # type: ignore[arg-type]
    assert (await house.ingesting.put("docs", DOCUMENT, MINE)).status == "updated"
    assert (await house.ingesting.document("docs", "guide.md", MINE)).record == before


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"tags": ("",)}, "tags"),
        ({"tags": ("x",) * 101}, "tags"),
        ({"acl": ("staff ",)}, "acl"),
        ({"acl": ("a\nb",)}, "acl"),
        ({"author": " "}, "author"),
        ({"path": "/etc/passwd"}, "path"),
        ({"path": "a/../b"}, "path"),
        ({"path": "a//b"}, "path"),
        ({"created_at": float("nan")}, "created_at"),
    ],
)
async def test_labels_that_cannot_be_stored_are_refused(house: House, changes: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await house.ingesting.put("docs", replace(DOCUMENT, **changes), MINE)  # type: ignore[arg-type]
    assert refused.value.param == param
    assert house.vectors.writes == 0


async def test_the_record_tells_where_it_came_from(house: House) -> None:
    await house.ingesting.put("docs", DOCUMENT, MINE)
    record = (await house.ingesting.document("docs", "guide.md", MINE)).record
    assert record == replace(
        record, id="guide.md", title="Guide", source="/docs/guide.md", chunks=1, characters=28, ingested_at=1234.5,
        modified_at=5.0, tags=("a",), author=None, created_at=None, path="guide.md", acl=(),
    )  # fmt: skip


async def test_tenants_do_not_meet(house: House) -> None:
    await house.ingesting.put("docs", DOCUMENT, MINE)
    assert (await house.ingesting.put("docs", DOCUMENT, THEIRS)).status == "added"
    assert await house.ingesting.delete("docs", "guide.md", THEIRS)
    assert (await house.ingesting.documents("docs", MINE, limit=10)).records
    with pytest.raises(UnknownDocument):
        await house.ingesting.document("docs", "guide.md", THEIRS)


async def test_another_recipe_is_refused_before_anything_is_read(house: House) -> None:
    await house.ingesting.put("docs", DOCUMENT, MINE)
    other = House(house.vectors, chunk_tokens=100)
    with pytest.raises(StoreMismatch):
        await other.ingesting.put("docs", DOCUMENT, MINE)
    assert other.loader.most == 0


async def test_a_broken_document_leaves_the_old_one(house: House) -> None:
    await house.ingesting.put("docs", DOCUMENT, MINE)
    writes = house.vectors.writes
    with pytest.raises(DocumentRejected):
        await house.ingesting.put("docs", replace(DOCUMENT, body=b"broken"), MINE)
    with pytest.raises(DocumentRejected) as caught:
        await house.ingesting.put("docs", replace(DOCUMENT, body=b" \n"), MINE)
    assert caught.value.reason == "empty"
    assert house.vectors.writes == writes


@pytest.mark.parametrize("call", ["put", "delete", "document"])
async def test_ids_are_checked_everywhere(house: House, call: str) -> None:
    argument = replace(DOCUMENT, id="../x") if call == "put" else "../x"
    with pytest.raises(InvalidRequest) as caught:
        await getattr(house.ingesting, call)("docs", argument, MINE)
    assert caught.value.param == "id"


async def test_one_id_in_turn_others_side_by_side(house: House) -> None:
    same = [house.ingesting.put("docs", DOCUMENT, MINE) for _ in range(5)]
    statuses = [outcome.status for outcome in await asyncio.gather(*same)]
    assert sorted(statuses) == ["added"] + ["unchanged"] * 4
    assert house.loader.most == 1
    await asyncio.gather(*(house.ingesting.put("docs", replace(DOCUMENT, id=f"{n}"), MINE) for n in range(3)))
    assert house.loader.most == 3
    assert not house.ingesting._turns._locks


class SlowVectors(MemoryVectors):
    """Writes when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def replace_document(self, *args: object, **more: object) -> None:
        self.began.set()
        await self.go_on.wait()
        await super().replace_document(*args, **more)  # type: ignore[arg-type]


async def test_a_cancelled_put_finishes_the_write_it_began() -> None:
    vectors = SlowVectors()
    house = House(vectors)
    putting = asyncio.create_task(house.ingesting.put("docs", DOCUMENT, MINE))
    await vectors.began.wait()
    putting.cancel()
    await asyncio.sleep(0)
    assert not putting.done()
    vectors.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert (await house.ingesting.put("docs", DOCUMENT, MINE)).status == "unchanged"


async def test_settling_a_collection_that_was_never_written(house: House) -> None:
    await house.ingesting.settle("nothing")
    with pytest.raises(UnknownCollection):
        await house.ingesting.drop_collection("nothing", MINE)
