"""Every vector store: the shipped double, the embedded engine, qdrant-client's in memory, and a real server where one is found."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from component.qdrant_server import qdrant_server_url
from fakes.chunks import RECIPE, embedded, query, record
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.adapters.qdrant.server import IN_MEMORY, qdrant_vectors
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.domain.document import Recipe
from tandem.domain.errors import InvalidRequest, StoreMismatch, UnknownCollection
from tandem.domain.filters import Condition, Filter
from tandem.domain.passage import Passage
from tandem.ports.embedder import SparseVector
from tandem.ports.vectors import FUSION_K, Vectors

T = "acme"


@dataclass(frozen=True)
class Store:
    """A store and a collection of its own for this test."""

    vectors: Vectors
    name: str

    async def put(self, document_id: str, *texts: str, tenant: str = T, **changes: object) -> None:
        await self.vectors.replace_document(
            self.name, tenant, record(document_id, texts, **changes), embedded(document_id, texts)
        )

    async def find(self, text: str, **options: object) -> list[str]:
        hits = await self.vectors.search(self.name, query(text, **options))  # type: ignore[arg-type]
        return ids(hits.fused)

    async def texts(self, document_id: str) -> list[str]:
        found = await self.vectors.document(self.name, T, document_id)
        return [] if found is None else [chunk.text for chunk in found.chunks]


def ids(passages: tuple[Passage, ...]) -> list[str]:
    return [passage.chunk.id for passage in passages]


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with qdrant_server_url(tmp_path_factory.mktemp("qdrant")) as url:
        yield url


@contextlib.asynccontextmanager
async def opened(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Vectors]:
    if kind == "memory":
        yield MemoryVectors()
    elif kind == "edge":
        path: Path = request.getfixturevalue("tmp_path")
        async with edge_vectors(path / "collections") as vectors:
            yield vectors
    elif kind == "in-memory":
        async with qdrant_vectors(IN_MEMORY) as vectors:
            yield vectors
    else:
        url = request.getfixturevalue("server_url")
        port = os.environ.get("QDRANT_GRPC_PORT")
        if kind == "grpc" and port is None:
            pytest.skip("no gRPC port of a Qdrant server: set QDRANT_GRPC_PORT beside QDRANT_URL")
        key = os.environ.get("QDRANT_API_KEY") or None
        async with qdrant_vectors(
            url, api_key=key, grpc_port=int(port) if kind == "grpc" and port else None
        ) as vectors:
            yield vectors


@pytest.fixture(params=["memory", "edge", "in-memory", "server", "grpc"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    name = f"t{uuid.uuid4().hex[:16]}"
    async with opened(request.param, request) as vectors:
        await vectors.ensure_collection(name, RECIPE)
        yield Store(vectors, name)
        with contextlib.suppress(UnknownCollection):
            await vectors.drop_collection(name, T)


async def test_a_document_comes_back_as_it_was_written(store: Store) -> None:
    texts = ("install the chart", "configure the gateway", "watch the metrics")
    written = record("guide.md", texts, tags=("a", "b"), language=None, modified_at=None, acl=("g 1", "g2"))
    chunks = embedded("guide.md", texts)
    await store.vectors.replace_document(store.name, T, written, chunks)
    found = await store.vectors.document(store.name, T, "guide.md", groups=("g2",))
    assert found is not None
    assert found.record == written == await store.vectors.record(store.name, T, "guide.md", groups=("g2",))
    assert found.chunks == tuple(each.chunk for each in chunks)


async def test_a_record_is_rewritten_without_its_chunks(store: Store) -> None:
    texts = [f"green part {number}" for number in range(70)]
    await store.put("guide.md", *texts, tags=("old",), author="Ann")
    await store.put("other.md", "green other", tags=("old",))
    await store.put("guide.md", "green rival", tenant="rival", tags=("old",))
    before = await store.vectors.document(store.name, T, "guide.md")
    new = record("guide.md", texts, tags=("new",), author=None, path="x/guide.md", fingerprint="f.2")
    assert await store.vectors.update_record(store.name, T, new) is True
    found = await store.vectors.document(store.name, T, "guide.md")
    assert before is not None
    assert found is not None
    assert (found.record, found.chunks) == (new, before.chunks)
    hits = await store.vectors.search(store.name, query("green", limit=100, filters=(Condition("tags", ("new",)),)))
    assert {passage.chunk.document_id for passage in hits.fused} == {"guide.md"}
    assert len(hits.dense) == len(texts)
    old = await store.vectors.search(store.name, query("green", limit=100, filters=(Condition("tags", ("old",)),)))
    assert {passage.chunk.document_id for passage in old.fused} == {"other.md"}
    assert await store.vectors.update_record(store.name, T, record("gone.md", ["x"])) is False
    assert await store.vectors.record(store.name, T, "gone.md") is None
    assert (await store.vectors.record(store.name, "rival", "guide.md")) == record(
        "guide.md", ["green rival"], tags=("old",)
    )


async def test_what_is_not_there(store: Store) -> None:
    assert await store.vectors.record(store.name, T, "nothing.md") is None
    assert await store.vectors.document(store.name, T, "nothing.md") is None
    assert await store.vectors.delete_document(store.name, T, "nothing.md") is False
    assert await store.find("anything") == []
    page = await store.vectors.documents(store.name, T, limit=10)
    assert (page.records, page.next_after) == ((), None)


@pytest.mark.parametrize("sizes", [(1, 4), (4, 1), (3, 3), (2, 150), (150, 2), (1, 1)])
async def test_a_new_version_leaves_nothing_of_the_old(store: Store, sizes: tuple[int, int]) -> None:
    before, after = sizes
    await store.put("other.md", "old leaf")
    await store.put("guide.md", *(f"old text {number}" for number in range(before)))
    new = [f"new words {number}" for number in range(after)]
    await store.put("guide.md", *new)
    assert await store.texts("guide.md") == new
    assert (await store.vectors.record(store.name, T, "guide.md")) == record("guide.md", new)
    hits = await store.vectors.search(store.name, query("old", limit=200))
    assert ids(hits.sparse) == ["other.md#0"]
    (info,) = [each for each in await store.vectors.collections(T) if each.name == store.name]
    assert (info.documents, info.chunks) == (2, after + 1)


async def test_writing_the_same_again_changes_nothing(store: Store) -> None:
    for _ in range(2):
        await store.put("guide.md", "one text", "another text")
    assert await store.texts("guide.md") == ["one text", "another text"]


async def test_a_deleted_document_is_gone(store: Store) -> None:
    await store.put("guide.md", "install the chart", "configure it")
    await store.put("other.md", "install the client")
    assert await store.vectors.delete_document(store.name, T, "guide.md") is True
    assert await store.vectors.record(store.name, T, "guide.md") is None
    assert await store.find("install the chart") == ["other.md#0"]
    assert await store.vectors.delete_document(store.name, T, "guide.md") is False


async def test_documents_are_listed_by_id_in_pages(store: Store) -> None:
    names = ["b.md", "a/2.md", "a/10.md", "Z.md", "é.md", "https://host/a?b=1#c", "a b.md", "日本.md"]
    for name in names:
        await store.put(name, "first", "second")
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await store.vectors.documents(store.name, T, limit=3, after=after)
        assert len(page.records) <= 3
        seen += [each.id for each in page.records]
        after = page.next_after
        if after is None:
            break
    assert seen == sorted(names)
    assert (await store.vectors.documents(store.name, T, limit=8)).next_after is None
    between = await store.vectors.documents(store.name, T, limit=2, after="a/3")
    assert [each.id for each in between.records] == ["b.md", "https://host/a?b=1#c"]


async def test_both_legs_and_their_fusion(store: Store) -> None:
    await store.put("tea.md", "green tea from japan", "black tea from ceylon")
    await store.put("coffee.md", "coffee from brazil")
    hits = await store.vectors.search(store.name, query("green tea from japan"))
    assert ids(hits.dense)[0] == ids(hits.sparse)[0] == ids(hits.fused)[0] == "tea.md#0"
    best = hits.fused[0]
    assert best.scores.dense == pytest.approx(1.0, abs=1e-4)
    assert best.scores.fused == pytest.approx(2 / FUSION_K, abs=1e-6)
    assert best.scores.sparse is not None
    assert (best.title, best.source) == ("About tea.md", "file:///tea.md")
    assert best.chunk == embedded("tea.md", ["green tea from japan", "black tea from ceylon"])[0].chunk
    assert {passage.chunk.id: passage.scores for passage in hits.fused} == {
        passage.chunk.id: passage.scores for passage in (*hits.dense, *hits.sparse)
    }
    for leg, score in ((hits.dense, "dense"), (hits.sparse, "sparse"), (hits.fused, "fused")):
        values = [getattr(passage.scores, score) for passage in leg]
        assert values == sorted(values, reverse=True)


async def test_rare_words_weigh_more(store: Store) -> None:
    for number in range(12):
        await store.put(f"{number}.md", "common filler")
    await store.put("rare.md", "rare filler")
    hits = await store.vectors.search(store.name, query("rare common"))
    assert ids(hits.sparse)[0] == "rare.md#0"


async def test_the_limit_bounds_every_list(store: Store) -> None:
    await store.put("guide.md", *(f"tea number {number}" for number in range(20)))
    hits = await store.vectors.search(store.name, query("tea", limit=4))
    assert (len(hits.dense), len(hits.sparse), len(hits.fused)) == (4, 4, 4)


async def test_a_question_without_words(store: Store) -> None:
    await store.put("guide.md", "green tea", "black tea")
    asked = replace(query("green tea"), sparse=SparseVector((), ()))
    hits = await store.vectors.search(store.name, asked)
    assert hits.sparse == ()
    assert ids(hits.fused) == ids(hits.dense) == ["guide.md#0", "guide.md#1"]


async def test_words_alone(store: Store) -> None:
    await store.put("guide.md", "green tea", "black coffee")
    hits = await store.vectors.search(store.name, replace(query("green tea"), dense=()))
    assert hits.dense == ()
    assert ids(hits.fused) == ids(hits.sparse) == ["guide.md#0"]
    assert hits.fused[0].scores.dense is None


async def test_neither_meaning_nor_words(store: Store) -> None:
    await store.put("guide.md", "green tea")
    asked = replace(query("green tea"), dense=(), sparse=SparseVector((), ()))
    hits = await store.vectors.search(store.name, asked)
    assert (hits.dense, hits.sparse, hits.fused) == ((), (), ())
    with pytest.raises(UnknownCollection):
        await store.vectors.search("nope", asked)


async def test_a_chunk_without_words(store: Store) -> None:
    texts = ["--- ---"]
    bare = [replace(each, sparse=SparseVector((), ())) for each in embedded("rule.md", texts)]
    await store.vectors.replace_document(store.name, T, record("rule.md", texts), bare)
    assert await store.find("--- ---") == ["rule.md#0"]


async def test_ties_are_broken_by_chunk_id(store: Store) -> None:
    names = ["d.md", "b.md", "a.md", "c.md"]
    for name in names:
        await store.put(name, "the same words")
    hits = await store.vectors.search(store.name, query("the same words"))
    expected = [f"{name}#0" for name in sorted(names)]
    assert ids(hits.dense) == ids(hits.sparse) == ids(hits.fused) == expected
    fused = [passage.scores.fused for passage in hits.fused]
    assert fused == pytest.approx([2 / (FUSION_K + rank) for rank in range(4)], abs=1e-6)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), {"a.md", "b.md", "c.md"}),
        ((Condition("document_id", ("a.md",)),), {"a.md"}),
        ((Condition("document_id", ("a.md", "c.md", "x.md")),), {"a.md", "c.md"}),
        ((Condition("source", ("file:///b.md",)),), {"b.md"}),
        ((Condition("title", ("About c.md",)),), {"c.md"}),
        ((Condition("media_type", ("text/markdown",)),), {"a.md"}),
        ((Condition("language", ("de",)),), {"b.md"}),
        ((Condition("tags", ("red",)),), {"a.md", "b.md"}),
        ((Condition("tags", ("blue", "green")),), {"b.md", "c.md"}),
        ((Condition("tags", ("red",)), Condition("tags", ("blue",))), {"b.md"}),
        ((Condition("modified_at", at_least=200.0),), {"b.md"}),
        ((Condition("modified_at", at_most=200.0),), {"a.md", "b.md"}),
        ((Condition("modified_at", at_least=100.5, at_most=150.0),), {"a.md"}),
        ((Condition("modified_at", at_least=200.5),), set()),
        ((Condition("tags", ("red",)), Condition("language", ("fr",))), set()),
        ((Condition("author", ("Ann Lee", "Bo")),), {"a.md"}),
        ((Condition("created_at", at_least=10.0, at_most=20.0),), {"a.md"}),
        ((Condition("created_at", at_least=20.0, at_most=1e9),), {"b.md"}),
        ((Condition("path", ("guide/",)),), {"a.md", "b.md"}),
        ((Condition("path", ("guide/en/",)),), {"a.md"}),
        ((Condition("path", ("guide/en/a.md", "guide/de/")),), {"a.md", "b.md"}),
        ((Condition("path", ("guide/e", "guide", "en/", "/", "")),), set()),
        ((Condition("page", at_least=2, at_most=2),), {"b.md"}),
        ((Condition("page", at_most=9),), {"b.md"}),
        ((Condition("document_id", ("a.md' or 1=1",)),), set()),
    ],
)
async def test_filters(store: Store, filters: Filter, expected: set[str]) -> None:
    await store.put(
        "a.md", "green tea", media_type="text/markdown", tags=("red",), modified_at=100.5, author="Ann Lee",
        created_at=15.0, path="guide/en/a.md",
    )  # fmt: skip
    await store.put(
        "b.md", "green tea", "green leaf", language="de", tags=("red", "blue"), modified_at=200.0, created_at=30.0,
        path="guide/de/b.md",
    )  # fmt: skip
    await store.put("c.md", "green tea", language=None, tags=("green",), modified_at=None)
    await store.put("a.md", "green tea", tenant="rival", tags=("red", "blue", "green"))
    hits = await store.vectors.search(store.name, query("green tea", filters=filters))
    for leg in (hits.dense, hits.sparse, hits.fused):
        assert {passage.chunk.document_id for passage in leg} == expected


async def test_another_tenant_is_never_seen(store: Store) -> None:
    await store.put("guide.md", "green tea", "black tea")
    await store.put("guide.md", "green coffee", tenant="rival")
    await store.put("secret.md", "green secret", tenant="rival")
    assert await store.texts("guide.md") == ["green tea", "black tea"]
    hits = await store.vectors.search(store.name, query("green secret coffee"))
    for leg in (hits.dense, hits.sparse, hits.fused):
        assert {passage.chunk.text for passage in leg} <= {"green tea", "black tea"}
    assert await store.vectors.record(store.name, T, "secret.md") is None
    assert await store.vectors.document(store.name, T, "secret.md") is None
    assert await store.vectors.delete_document(store.name, T, "secret.md") is False
    listed = await store.vectors.documents(store.name, T, limit=10)
    assert [each.id for each in listed.records] == ["guide.md"]
    counts = {
        tenant: [
            (each.documents, each.chunks) for each in await store.vectors.collections(tenant) if each.name == store.name
        ]
        for tenant in (T, "rival", "nobody")
    }
    assert counts == {T: [(1, 2)], "rival": [(2, 2)], "nobody": [(0, 0)]}
    await store.vectors.delete_document(store.name, T, "guide.md")
    assert await store.vectors.record(store.name, "rival", "guide.md") is not None


@pytest.mark.parametrize("tenant", ["", "acme ", "ACME", "*", "acme' or '1'='1"])
async def test_a_tenant_is_matched_whole(store: Store, tenant: str) -> None:
    await store.put("guide.md", "green tea")
    assert await store.find("green tea", tenant=tenant) == []
    assert await store.vectors.record(store.name, tenant, "guide.md") is None


async def test_any_language_and_any_character(store: Store) -> None:
    texts = ("日本語 のテキスト", "Straße naïve \u202eright-to-left", "emoji 👩‍👩‍👧 \U0001f9ea", "nul \x00 and \t tab")
    await store.put("ünïcode/日本.md", *texts, tags=("größe", "日本"))
    assert await store.texts("ünïcode/日本.md") == list(texts)
    only = (Condition("tags", ("日本",)),)
    assert (await store.find("のテキスト 日本語", filters=only))[0] == "ünïcode/日本.md#0"


async def test_an_unknown_collection(store: Store) -> None:
    vectors = store.vectors
    for name in ("nowhere", "", "../etc", "UPPER", "a/b", "x" * 300):
        for call in (
            lambda: vectors.record(name, T, "a"),  # noqa: B023
            lambda: vectors.document(name, T, "a"),  # noqa: B023
            lambda: vectors.documents(name, T, limit=1),  # noqa: B023
            lambda: vectors.delete_document(name, T, "a"),  # noqa: B023
            lambda: vectors.search(name, query("tea")),  # noqa: B023
            lambda: vectors.replace_document(name, T, record("a", ["b"]), embedded("a", ["b"])),  # noqa: B023
            lambda: vectors.drop_collection(name, T),  # noqa: B023
            lambda: vectors.optimize(name),  # noqa: B023
        ):
            with pytest.raises(UnknownCollection):
                await call()


@pytest.mark.parametrize("name", ["", "../up", "a/b", "Docs", ".hidden", "a" * 64, "tea pot"])
async def test_a_name_that_cannot_be_one(store: Store, name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await store.vectors.ensure_collection(name, RECIPE)
    assert caught.value.param == "collection"


async def test_a_collection_is_made_once(store: Store) -> None:
    await store.put("guide.md", "green tea")
    await store.vectors.ensure_collection(store.name, RECIPE)
    assert await store.texts("guide.md") == ["green tea"]


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, embedder="words@2"),
        replace(RECIPE, dimensions=64),
        replace(RECIPE, sparse="words@2"),
        replace(RECIPE, chunker="lines@2"),
    ],
)
async def test_another_recipe_is_refused(store: Store, other: Recipe) -> None:
    with pytest.raises(StoreMismatch) as caught:
        await store.vectors.ensure_collection(store.name, other)
    assert caught.value.hint


async def test_every_write_to_a_document_counts_as_a_change(store: Store) -> None:
    await store.put("guide.md", "green tea")
    version = await store.vectors.resolve(store.name)
    seen = [store.vectors.changes(version)]
    record = await store.vectors.record(version, T, "guide.md")
    assert record is not None
    await store.put("guide.md", "black tea")
    seen.append(store.vectors.changes(version))
    await store.vectors.update_record(version, T, replace(record, title="Tea"))
    seen.append(store.vectors.changes(version))
    await store.vectors.delete_document(version, T, "guide.md")
    seen.append(store.vectors.changes(version))
    await store.put("other.md", "coffee")
    seen.append(store.vectors.changes(version))
    await store.vectors.drop_collection(store.name, T)
    seen.append(store.vectors.changes(version))
    assert sorted(set(seen)) == seen
    await store.vectors.ensure_collection(store.name, RECIPE)
    assert store.vectors.changes(version) == seen[-1]


async def test_a_dropped_collection_can_be_made_anew(store: Store) -> None:
    await store.put("guide.md", "green tea")
    await store.vectors.drop_collection(store.name, T)
    with pytest.raises(UnknownCollection):
        await store.find("green tea")
    assert store.name not in [each.name for each in await store.vectors.collections(T)]
    other = replace(RECIPE, dimensions=RECIPE.dimensions, chunker="lines@2")
    await store.vectors.ensure_collection(store.name, other)
    assert await store.texts("guide.md") == []
    (info,) = [each for each in await store.vectors.collections(T) if each.name == store.name]
    assert info.recipe == other


async def test_searches_go_on_while_documents_are_written(store: Store) -> None:
    await store.put("fixed.md", "green tea")
    writing = asyncio.gather(
        *(store.put(f"doc{number % 3}.md", *(f"coffee {number} {part}" for part in range(9))) for number in range(6)),
    )
    searches = 0
    while not writing.done():
        assert "fixed.md#0" in await store.find("green tea", limit=5)
        searches += 1
        await asyncio.sleep(0)
    await writing
    assert searches > 1
    (info,) = [each for each in await store.vectors.collections(T) if each.name == store.name]
    assert (info.documents, info.chunks) == (4, 3 * 9 + 1)


async def test_two_versions_at_once_leave_one(store: Store) -> None:
    versions = [[f"version {number} part {part}" for part in range(number + 1)] for number in (80, 3, 140)]
    await asyncio.gather(*(store.put("guide.md", *texts) for texts in versions))
    assert await store.texts("guide.md") in versions
    found = await store.vectors.record(store.name, T, "guide.md")
    assert found is not None
    assert found.chunks == len(await store.texts("guide.md"))


async def test_indexing_changes_no_answer(store: Store) -> None:
    await store.put("guide.md", *(f"green tea {number}" for number in range(30)))
    before = await store.find("green tea 7")
    await store.vectors.optimize(store.name)
    assert await store.find("green tea 7") == before


async def test_dropping_takes_only_ones_own(store: Store) -> None:
    await store.put("guide.md", "green tea")
    theirs = record("guide.md", ["green tea"])
    await store.vectors.replace_document(store.name, "other", theirs, embedded("guide.md", ["green tea"]))
    await store.vectors.drop_collection(store.name, "other")
    assert await store.texts("guide.md") == ["green tea"]
    assert await store.vectors.document(store.name, "other", "guide.md") is None
    await store.vectors.drop_collection(store.name, T)
    with pytest.raises(UnknownCollection):
        await store.find("green tea")
