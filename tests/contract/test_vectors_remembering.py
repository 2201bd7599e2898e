"""What every store remembers for synchronisations: marks, vectors, failures, positions."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contract.test_vectors import Store, T, opened
from fakes.chunks import RECIPE, embedded, record
from tandem.domain.errors import UnknownCollection
from tandem.domain.syncing import DocumentMark, Failure, StreamPosition
from tandem.domain.viewer import Viewer, overseer

ALL = overseer(T)
FAILURE = Failure("bad.pdf", "damaged", "It is cut off.", "docs/bad.pdf", 7.0, "/docs")


@pytest.fixture(params=["memory", "edge", "in-memory"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    name = f"t{uuid.uuid4().hex[:16]}"
    async with opened(request.param, request) as vectors:
        await vectors.ensure_collection(name, RECIPE)
        yield Store(vectors, name)
        with contextlib.suppress(UnknownCollection):
            await vectors.drop_collection(name, T)


async def failed(store: Store, viewer: Viewer = ALL) -> list[Failure]:
    return list((await store.vectors.failures(store.name, viewer, limit=100)).failures)


async def test_marks_are_of_those_that_the_viewer_sees(store: Store) -> None:
    await store.put("a.md", "green", origin="folder:1", source_version="m:v1")
    await store.put("b.md", "green", "red", acl=("board",))
    await store.put("c.md", "green", tenant="rival")
    marks = sorted(await store.vectors.marks(store.name, ALL), key=lambda mark: mark.id)
    assert marks == [
        DocumentMark("a.md", record("a.md", ["x"]).source, 1, "folder:1", "m:v1"),
        DocumentMark("b.md", record("b.md", ["x"]).source, 2),
    ]
    assert [mark.id for mark in await store.vectors.marks(store.name, Viewer(T))] == ["a.md"]


async def test_vectors_come_back_and_are_found_by_content(store: Store) -> None:
    await store.put("b.md", *(f"green {number}" for number in range(70)), content="c1")
    await store.put("a.md", "red", content="c2", acl=("board",))
    found = await store.vectors.embedded(store.name, T, "b.md")
    written = embedded("b.md", [f"green {number}" for number in range(70)])
    assert [each.chunk for each in found] == [each.chunk for each in written]
    assert list(found[3].dense) == pytest.approx(list(written[3].dense), abs=1e-6)
    assert dict(zip(found[3].sparse.indices, found[3].sparse.values, strict=True)) == pytest.approx(
        dict(zip(written[3].sparse.indices, written[3].sparse.values, strict=True))
    )
    assert await store.vectors.embedded(store.name, T, "none") == ()
    assert await store.vectors.same_content(store.name, ALL, "c1") == "b.md"
    assert await store.vectors.same_content(store.name, Viewer(T), "c2") is None
    assert await store.vectors.same_content(store.name, overseer("rival"), "c1") is None


async def test_who_drops_a_collection_leaves_nothing_that_was_remembered(store: Store) -> None:
    position = StreamPosition("orders", 0, 7)
    for tenant in (T, "rival"):
        await store.put("kept.md", "green", tenant=tenant)
        await store.vectors.note_failure(store.name, tenant, FAILURE, position)
    await store.vectors.drop_collection(store.name, T)
    assert await failed(store) == []
    assert len(await failed(store, overseer("rival"))) == 1
    assert (await store.vectors.positions(store.name, T, "orders", [0])) == {}
    assert await store.vectors.positions(store.name, "rival", "orders", [0]) == {0: 7}


async def test_a_failure_is_kept_until_the_document_succeeds(store: Store) -> None:
    await store.vectors.note_failure(store.name, T, FAILURE)
    await store.vectors.note_failure(store.name, T, replace(FAILURE, failed_at=9.0, place=None))
    await store.vectors.note_failure(store.name, "rival", FAILURE)
    assert await failed(store) == [replace(FAILURE, failed_at=9.0, attempts=2)]
    assert await store.find("cut off") == []
    await store.put("bad.pdf", "green")
    assert await failed(store) == []
    await store.vectors.note_failure(store.name, T, FAILURE)
    await store.vectors.delete_document(store.name, T, "bad.pdf")
    assert await failed(store) == []
    assert len(await failed(store, overseer("rival"))) == 1


async def test_failures_are_paged_and_seen_by_whom_the_documents_are_for(store: Store) -> None:
    for name in "cab":
        await store.vectors.note_failure(
            store.name, T, replace(FAILURE, document_id=name, acl=("board",) if name == "b" else ())
        )
    page = await store.vectors.failures(store.name, ALL, limit=2)
    assert ([each.document_id for each in page.failures], page.next_after) == (["a", "b"], "b")
    rest = await store.vectors.failures(store.name, ALL, limit=2, after=page.next_after)
    assert ([each.document_id for each in rest.failures], rest.next_after) == (["c"], None)
    assert [each.document_id for each in await failed(store, Viewer(T))] == ["a", "c"]


async def test_positions_take_effect_with_what_they_did(store: Store) -> None:
    async def reached() -> dict[int, int]:
        return await store.vectors.positions(store.name, T, "kafka:t", (0, 1, 2))

    assert await reached() == {}
    at = StreamPosition("kafka:t", 0, 5)
    await store.vectors.replace_document(
        store.name, T, record("a.md", ["green"]), embedded("a.md", ["green"]), position=at
    )
    assert await reached() == {0: 5}
    await store.vectors.delete_document(store.name, T, "a.md", position=replace(at, position=6))
    await store.vectors.note_failure(store.name, T, FAILURE, replace(at, partition=1))
    assert await reached() == {0: 6, 1: 5}
    await store.vectors.note_position(store.name, T, replace(at, stream="kafka:other", position=99))
    assert await reached() == {0: 6, 1: 5}


async def test_what_is_remembered_is_no_document_and_goes_with_the_collection(store: Store) -> None:
    await store.vectors.note_failure(store.name, T, FAILURE, StreamPosition("kafka:t", 0, 5))
    (info,) = [info for info in await store.vectors.collections(T) if info.name == store.name]
    assert (info.documents, info.chunks) == (0, 0)
    assert await store.vectors.marks(store.name, ALL) == []
    await store.vectors.drop_collection(store.name, T)
    with pytest.raises(UnknownCollection):
        await store.vectors.failures(store.name, ALL, limit=1)


async def test_a_shorter_version_leaves_nothing_of_a_longer_one(store: Store) -> None:
    await store.put("a.md", *(f"green {number}" for number in range(150)))
    await store.put("a.md", *(f"red {number}" for number in range(70)))
    assert len(await store.texts("a.md")) == 70
    await store.put("a.md", "blue")
    assert await store.texts("a.md") == ["blue"]
