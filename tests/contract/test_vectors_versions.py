"""Versions in every vector store: a name stands for one of them, from one moment to the next."""

import asyncio
import contextlib
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient, models

from contract.test_vectors import Store, opened, server_url  # noqa: F401 - a fixture
from fakes.chunks import RECIPE, embedded, query, record
from tandem.adapters.qdrant.connection import Connection
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.adapters.qdrant.server import ServerEngine
from tandem.adapters.qdrant.store import QdrantVectors
from tandem.adapters.qdrant.writing import Pressure, Writing
from tandem.domain.errors import InvalidRequest, StoreMismatch, UnknownCollection, VersionConflict
from tandem.domain.lineage import Counts, GateResult, Lineage, Miss, Origin, Place
from tandem.domain.syncing import Failure, StreamPosition
from tandem.ports.vectors import Vectors

T = "acme"
OTHER = replace(RECIPE, chunker="lines@2")
LINEAGE = Lineage(
    origins=(Origin(T, Place("/srv/döcs", ("tag",), ("hr",), "Ann")), Origin("b", Place("https://host/"))),
    parts=(("loader", "formats@2"),),
    built_from="docs@1",
    created_at=1_700_000_000.25,
    documents=3,
    gates=(GateResult(1.5, 2, "recall@10", 0.5, 1.0, 3, 4, ("too few",), (Miss("why?", ("a.md",), True),), "must"),),
)


@pytest.fixture(params=["memory", "edge", "in-memory", "server", "grpc"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    name = f"t{uuid.uuid4().hex[:16]}"
    async with opened(request.param, request) as vectors:
        yield Store(vectors, name)
        with contextlib.suppress(UnknownCollection):
            await vectors.drop_collection(name, T)


async def texts(vectors: Vectors, name: str) -> set[str]:
    return {each.chunk.text for each in (await vectors.search(name, query("green tea", limit=50))).dense}


async def put(vectors: Vectors, name: str, document_id: str, *words: str, tenant: str = T) -> None:
    await vectors.replace_document(name, tenant, record(document_id, words), embedded(document_id, words))


def engine(client: AsyncQdrantClient, now_s: Callable[[], float] = time.monotonic) -> ServerEngine:
    return ServerEngine(Connection(client, client, 5.0), Writing(Pressure()), indexed=False, now_s=now_s)


async def states(vectors: Vectors, name: str) -> list[tuple[int, str]]:
    return [(each.number, each.state) for each in await vectors.versions(name)]


async def test_the_first_write_makes_the_first_version(store: Store) -> None:
    with pytest.raises(UnknownCollection):
        await store.vectors.resolve(store.name)
    assert await store.vectors.versions(store.name) == ()
    first = replace(LINEAGE, finished_at=2.0, promoted_at=3.0)
    assert await store.vectors.ensure_collection(store.name, RECIPE, first) == f"{store.name}@1"
    assert await store.vectors.resolve(store.name) == f"{store.name}@1"
    [version] = await store.vectors.versions(store.name)
    assert (version.name, version.state, version.recipe) == (f"{store.name}@1", "serving", RECIPE)
    assert version.lineage == first
    assert await store.vectors.ensure_collection(store.name, RECIPE) == f"{store.name}@1"


async def test_the_next_version_is_not_seen_until_it_serves(store: Store) -> None:
    vectors, name = store.vectors, store.name
    await vectors.ensure_collection(name, RECIPE)
    await put(vectors, name, "a.md", "green tea of old")
    second = await vectors.create_version(name, OTHER, LINEAGE)
    await put(vectors, second, "a.md", "green tea of new", "and more")
    assert second == f"{name}@2"
    assert await states(vectors, name) == [(1, "serving"), (2, "building")]
    assert await texts(vectors, name) == await texts(vectors, f"{name}@1") == {"green tea of old"}
    assert await texts(vectors, second) == {"green tea of new", "and more"}
    await vectors.serve(second, instead_of=f"{name}@1")
    assert await vectors.resolve(name) == second
    assert await texts(vectors, name) == {"green tea of new", "and more"}
    assert await texts(vectors, f"{name}@1") == {"green tea of old"}
    [info] = [each for each in await vectors.collections(T) if each.name == name]
    assert (info.version, info.documents, info.chunks, info.recipe) == (second, 1, 2, OTHER)
    await vectors.serve(f"{name}@1", instead_of=second)
    assert await texts(vectors, name) == {"green tea of old"}


async def test_what_a_version_holds_is_counted_over_all_tenants(store: Store) -> None:
    vectors, name = store.vectors, store.name
    await vectors.ensure_collection(name, RECIPE)
    assert await vectors.counts(name) == Counts(0, 0)
    await put(vectors, name, "a.md", "one", "two", "three")
    await put(vectors, name, "a.md", "one", "two", tenant="other")
    await vectors.replace_document(name, T, record("b.md", ["x"], acl=("hr",)), embedded("b.md", ["x"]))
    await vectors.note_failure(name, T, Failure("c.md", "damaged", "It is damaged.", "/c.md", 1.0))
    await vectors.note_position(name, T, StreamPosition("topic", 0, 7))
    assert await vectors.counts(f"{name}@1") == Counts(3, 6)
    with pytest.raises(UnknownCollection):
        await vectors.counts(f"{name}@9")
    await vectors.drop_collection(name, "other")


async def test_every_call_takes_a_name_or_a_version(store: Store) -> None:
    vectors, name = store.vectors, store.name
    await vectors.ensure_collection(name, RECIPE)
    for each in (name, f"{name}@1"):
        await put(vectors, each, "a.md", "green tea")
        assert await vectors.ensure_collection(each, RECIPE) == f"{name}@1"
        assert await vectors.record(each, T, "a.md") is not None
        assert await vectors.document(each, T, "a.md") is not None
        assert [one.id for one in (await vectors.documents(each, T, limit=3)).records] == ["a.md"]
        assert await vectors.tenants(each) == [T]
        await vectors.optimize(each)
        assert await vectors.delete_document(each, T, "a.md") is True
    for unknown in (f"{name}@2", f"{name}@01", f"{name}@0", f"{name}@", f"{name}@1@1", "nowhere@1"):
        with pytest.raises(UnknownCollection):
            await vectors.search(unknown, query("tea"))
        with pytest.raises((UnknownCollection, InvalidRequest)):
            await vectors.ensure_collection(unknown, RECIPE)


async def test_who_was_slower_is_told(store: Store) -> None:
    vectors, name = store.vectors, store.name
    one = await vectors.ensure_collection(name, RECIPE)
    two, three = [await vectors.create_version(name, RECIPE, LINEAGE) for _ in range(2)]
    outcomes = await asyncio.gather(
        *(vectors.serve(each, instead_of=one) for each in (two, three)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "VersionConflict"]
    won = two if outcomes[0] is None else three
    assert await vectors.resolve(name) == won
    with pytest.raises(VersionConflict) as caught:
        await vectors.serve(one, instead_of=None)
    assert caught.value.hint
    assert await vectors.resolve(name) == won
    with pytest.raises(UnknownCollection):
        await vectors.serve(f"{name}@9", instead_of=won)


async def test_lineage_is_kept(store: Store) -> None:
    vectors, name = store.vectors, store.name
    await vectors.ensure_collection(name, RECIPE)
    second = await vectors.create_version(name, RECIPE, LINEAGE)
    assert (await vectors.versions(name))[1].lineage == LINEAGE
    shorter = replace(LINEAGE, origins=(), parts=(), documents=None, gates=(), finished_at=5.0)
    assert await vectors.change_lineage(second, lambda found: shorter if found == LINEAGE else found) == shorter
    assert (await vectors.versions(name))[1].lineage == shorter
    assert await states(vectors, name) == [(1, "serving"), (2, "ready")]
    await vectors.change_lineage(f"{name}@1", lambda _: Lineage(replaced=None, retired_at=7.0))
    await vectors.serve(second, instead_of=f"{name}@1")
    assert await states(vectors, name) == [(1, "retired"), (2, "serving")]


async def test_no_change_of_a_lineage_is_lost_to_another(store: Store) -> None:
    """Shards of one ingest end at the same moment, and each notes where its documents came from."""
    vectors, name = store.vectors, store.name
    version = await vectors.ensure_collection(name, RECIPE)

    def and_from(number: int) -> Callable[[Lineage], Lineage]:
        origin = Origin(T, Place(f"/documents/{number}"))
        return lambda found: replace(found, origins=(*found.origins, origin))

    await asyncio.gather(*(vectors.change_lineage(version, and_from(number)) for number in range(20)))
    (found,) = await vectors.versions(name)
    assert {origin.place.where for origin in found.lineage.origins} == {f"/documents/{at}" for at in range(20)}
    with pytest.raises(UnknownCollection):
        await vectors.change_lineage(f"{name}@9", lambda found: found)


async def test_what_was_replaced_is_retired_though_nobody_noted_it(store: Store) -> None:
    """A process may die between switching the name and writing that down."""
    vectors, name = store.vectors, store.name
    one = await vectors.ensure_collection(name, RECIPE)
    two = await vectors.create_version(name, RECIPE, replace(LINEAGE, replaced=one))
    await vectors.serve(two, instead_of=one)
    assert await states(vectors, name) == [(1, "retired"), (2, "serving")]


async def test_numbers_are_not_given_twice(store: Store) -> None:
    vectors, name = store.vectors, store.name
    await vectors.ensure_collection(name, RECIPE)
    for number in (2, 3):
        made = await vectors.create_version(name, RECIPE, LINEAGE)
        assert made == f"{name}@{number}"
        await put(vectors, made, "a.md", "green tea")
        await vectors.drop_version(made)
        with pytest.raises(UnknownCollection):
            await vectors.search(made, query("tea"))
    assert await states(vectors, name) == [(1, "serving")]


async def test_positions_of_streams_are_told_to_go_along(store: Store) -> None:
    vectors, name = store.vectors, store.name
    one = await vectors.ensure_collection(name, RECIPE)
    assert await vectors.all_positions(name) == []
    written = [
        (T, StreamPosition("news", 0, 7)),
        (T, StreamPosition("news", 3, 2)),
        ("other", StreamPosition("news", 0, 1)),
    ]
    for tenant, position in written:
        await vectors.note_position(one, tenant, position)
    await vectors.note_position(one, T, StreamPosition("news", 0, 9))
    await put(vectors, one, "a.md", "green tea")
    found = sorted(await vectors.all_positions(name), key=str)
    assert found == sorted([(T, StreamPosition("news", 0, 9)), *written[1:]], key=str)
    await vectors.drop_collection(name, "other")


async def test_what_serves_is_not_dropped(store: Store) -> None:
    vectors, name = store.vectors, store.name
    one = await vectors.ensure_collection(name, RECIPE)
    await put(vectors, name, "a.md", "green tea")
    with pytest.raises(InvalidRequest) as caught:
        await vectors.drop_version(one)
    assert caught.value.hint
    with pytest.raises(UnknownCollection):
        await vectors.drop_version(f"{name}@5")
    assert await texts(vectors, name) == {"green tea"}


async def test_a_collection_goes_with_all_its_versions(store: Store) -> None:
    vectors, name = store.vectors, store.name
    one = await vectors.ensure_collection(name, RECIPE)
    two = await vectors.create_version(name, RECIPE, LINEAGE)
    for version, tenant in ((one, T), (two, T), (two, "other")):
        await put(vectors, version, "a.md", "green tea", tenant=tenant)
    await vectors.drop_collection(name, T)
    assert await vectors.record(one, T, "a.md") is None
    assert await vectors.record(two, T, "a.md") is None
    assert await vectors.record(two, "other", "a.md") is not None
    await vectors.drop_collection(name, "other")
    assert await vectors.versions(name) == ()
    with pytest.raises(UnknownCollection):
        await vectors.resolve(name)
    assert await vectors.ensure_collection(name, OTHER) == f"{name}@1"


async def test_a_version_of_another_recipe_is_refused_with_the_way_out(store: Store) -> None:
    await store.vectors.ensure_collection(store.name, RECIPE)
    with pytest.raises(StoreMismatch) as caught:
        await store.vectors.ensure_collection(store.name, OTHER)
    assert "tandem collections build" in (caught.value.hint or "")


async def test_a_version_that_serves_nobody_does_not_stand_in_for_the_first_write(store: Store) -> None:
    built = await store.vectors.create_version(store.name, OTHER, LINEAGE)
    with pytest.raises(UnknownCollection):
        await store.vectors.resolve(store.name)
    assert await store.vectors.ensure_collection(store.name, RECIPE) == f"{store.name}@2"
    assert [each.name for each in await store.vectors.versions(store.name)] == [built, f"{store.name}@2"]


async def test_an_embedded_collection_from_before_becomes_the_first_version(tmp_path: Path) -> None:
    async with edge_vectors(tmp_path) as vectors:
        await vectors.ensure_collection("docs", RECIPE)
        await put(vectors, "docs", "a.md", "green tea")
    before = tmp_path / ".before"
    (tmp_path / "docs@1").rename(before)
    (before / "lineage.json").unlink()
    (tmp_path / "aliases.json").unlink()
    for left_by_a_crash in ("nothing", "the pointer", "a version without a recipe"):
        for each in ("docs", "docs@1"):
            shutil.rmtree(tmp_path / each, ignore_errors=True)
        (tmp_path / "aliases.json").unlink(missing_ok=True)
        shutil.copytree(before, tmp_path / "docs")
        if left_by_a_crash == "the pointer":
            (tmp_path / "aliases.json").write_text('{"serving": {"docs": "docs@1"}}')
        elif left_by_a_crash == "a version without a recipe":
            (tmp_path / "docs@1" / "shard").mkdir(parents=True)
        for _ in range(2):
            async with edge_vectors(tmp_path) as vectors:
                [info] = await vectors.collections(T)
                assert (info.name, info.version, info.documents, info.recipe) == ("docs", "docs@1", 1, RECIPE)
                assert await texts(vectors, "docs") == {"green tea"}
                assert await states(vectors, "docs") == [(1, "serving")]
        assert not (tmp_path / "docs").exists()


async def test_a_collection_of_an_older_release_on_a_server_becomes_the_first_version() -> None:
    """It keeps its own name there, as a server cannot rename one; no point is copied."""
    client = AsyncQdrantClient(location=":memory:")
    try:
        first = engine(client)
        await first.create("docs", RECIPE, LINEAGE)
        await client.upsert("docs", [models.PointStruct(id=1, vector={}, payload={})])
        await client.delete("docs", [1])
        vectors = QdrantVectors(engine(client))
        for _ in range(2):
            vectors = QdrantVectors(engine(client))
            await put(vectors, "docs", "a.md", "green tea")
            assert await vectors.resolve("docs") == "docs@1"
            assert await texts(vectors, "docs@1") == {"green tea"}
            assert [(each.name, each.version) for each in await vectors.collections(T)] == [("docs", "docs@1")]
        two = await vectors.create_version("docs", RECIPE, LINEAGE)
        await put(vectors, two, "a.md", "green tea, newly")
        await vectors.serve(two, instead_of="docs@1")
        assert await texts(vectors, "docs") == {"green tea, newly"}
        await vectors.drop_version("docs@1")
        assert [each.name for each in (await client.get_collections()).collections] == ["docs@2"]
        three = await vectors.create_version("docs", RECIPE, LINEAGE)
        await vectors.serve(three, instead_of=two)
        aliases = {each.alias_name: each.collection_name for each in (await client.get_aliases()).aliases}
        assert aliases == {"docs": "docs@3", "docs@serving.3": "docs@3"}
    finally:
        await client.close()


async def test_two_processes_at_a_server_see_each_other() -> None:
    client = AsyncQdrantClient(location=":memory:")
    try:
        now = [0.0]
        here, there = (QdrantVectors(engine(client, lambda: now[0])) for _ in range(2))
        assert (
            await asyncio.gather(*(each.ensure_collection("docs", RECIPE) for each in (here, there))) == ["docs@1"] * 2
        )
        two, three = [await here.create_version("docs", RECIPE, LINEAGE) for _ in range(2)]
        assert await there.resolve("docs") == "docs@1"
        await here.serve(two, instead_of="docs@1")
        assert await here.resolve("docs") == two
        assert await there.resolve("docs") == "docs@1"
        assert await there.ensure_collection("docs", RECIPE) == two
        with pytest.raises(VersionConflict):
            await there.serve(three, instead_of="docs@1")
        await here.serve(three, instead_of=two)
        assert await there.resolve("docs") == two
        now[0] += 1.0
        assert await there.resolve("docs") == three
    finally:
        await client.close()
