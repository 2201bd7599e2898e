"""A version that was made with other models, in every vector store: two spaces are never mixed, and nobody sees an error."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contract.test_vectors import Store, opened, server_url  # noqa: F401 - a fixture
from fakes.chunks import RECIPE, embedded, record
from fakes.faulty import faulty
from fakes.qdrant import answer
from fakes.words import Words, WordWeights
from tandem.adapters.qdrant.connection import IN_MEMORY, connected
from tandem.adapters.qdrant.server import ServerEngine
from tandem.adapters.qdrant.writing import Pressure, Writing
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.context import RequestContext
from tandem.domain.document import Recipe
from tandem.domain.errors import StoreMismatch, UnknownCollection
from tandem.domain.lineage import UNTOLD
from tandem.domain.passage import Retrieval, Trace
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.retrieving import RetrievalDefaults, Retrieving
from tandem.ports.embedder import EmbedderCard
from tandem.retrieval.blend import Blend

TEXTS = ("harbour opens seven", "harbour closes nine", "ferry ticket four crowns")
CONTEXT = RequestContext("r", tenant="acme")


@pytest.fixture(params=["memory", "edge", "in-memory", "server", "grpc"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    name = f"t{uuid.uuid4().hex[:16]}"
    async with opened(request.param, request) as vectors:
        await vectors.ensure_collection(name, RECIPE)
        await vectors.replace_document(name, "acme", record("a.md", TEXTS), embedded("a.md", TEXTS))
        yield Store(vectors, name)
        with contextlib.suppress(UnknownCollection):
            await vectors.drop_collection(name, "acme")


class OtherWeights(WordWeights):
    name = "other@1"


def other_words(card: EmbedderCard) -> Words:
    embedder = Words()
    embedder.card = card
    return embedder


def flow(store: Store, embedder: Words, sparse: WordWeights) -> Retrieving:
    defaults = RetrievalDefaults(threshold=0.0)
    return Retrieving(embedder, sparse, store.vectors, Blend(), ScriptedClock(), defaults)


async def asked(store: Store, embedder: Words, sparse: WordWeights | None = None) -> Retrieval:
    options = RetrievalOptions(store.name, explain=True)
    return await flow(store, embedder, sparse or WordWeights()).retrieve("harbour seven", options, CONTEXT)


async def test_a_store_tells_how_a_version_was_made(store: Store) -> None:
    assert await store.vectors.recipe(await store.vectors.resolve(store.name)) == RECIPE
    newer = replace(RECIPE, embedder="newer@2", dimensions=8)
    version = await store.vectors.create_version(store.name, newer, UNTOLD)
    assert await store.vectors.recipe(version) == newer
    with pytest.raises(UnknownCollection):
        await store.vectors.recipe(f"{store.name}@9")
    await store.vectors.drop_version(version)
    with pytest.raises(UnknownCollection):
        await store.vectors.recipe(version)


@pytest.mark.parametrize(
    "card", [EmbedderCard("other@1", RECIPE.dimensions, 256), EmbedderCard("wide@1", 3 * RECIPE.dimensions, 256)]
)
async def test_another_embedders_vectors_are_not_searched_with_ours(store: Store, card: EmbedderCard) -> None:
    embedder = other_words(card)
    found = await asked(store, embedder)
    trace = found.trace or Trace()
    assert found.degraded == ("dense_mismatch",)
    assert found.passages[0].chunk.text == "harbour opens seven"
    assert (trace.dense, embedder.batches) == ((), [])
    assert {each.chunk.text for each in trace.sparse} == set(TEXTS[:2])


async def test_words_that_are_counted_otherwise_are_not_searched_for(store: Store) -> None:
    found = await asked(store, Words(), OtherWeights())
    assert found.degraded == ("sparse_mismatch",)
    assert found.passages[0].chunk.text == "harbour opens seven"
    assert found.trace is not None
    assert found.trace.sparse == ()
    assert len(found.trace.dense) == len(TEXTS)


async def test_with_neither_in_common_it_is_an_error(store: Store) -> None:
    with pytest.raises(StoreMismatch):
        await asked(store, other_words(EmbedderCard("other@1", RECIPE.dimensions, 256)), OtherWeights())


async def test_after_a_promotion_the_new_models_are_searched_with(store: Store) -> None:
    vectors, base = store.vectors, store.name
    newer = Words()
    newer.card = EmbedderCard("newer@2", RECIPE.dimensions, 256)
    assert (await asked(store, newer)).degraded == ("dense_mismatch",)
    version = await vectors.create_version(base, replace(RECIPE, embedder="newer@2"), UNTOLD)
    await vectors.replace_document(version, "acme", record("a.md", TEXTS), embedded("a.md", TEXTS))
    await vectors.serve(version, instead_of=await vectors.resolve(base))
    assert (await asked(store, newer)).degraded == ()
    assert (await asked(store, Words())).degraded == ("dense_mismatch",)


async def test_a_collection_that_was_made_again_otherwise_is_noticed(store: Store) -> None:
    vectors, base = store.vectors, store.name
    assert (await asked(store, Words())).degraded == ()
    await vectors.drop_collection(base, "acme")
    made: Recipe = replace(RECIPE, embedder="newer@2", dimensions=8)
    assert await vectors.ensure_collection(base, made) == f"{base}@1"
    assert await vectors.recipe(f"{base}@1") == made
    assert (await asked(store, Words())).degraded == ("dense_mismatch",)


async def test_a_server_is_asked_for_a_recipe_every_ten_seconds() -> None:
    now_s = [100.0]
    async with connected(IN_MEMORY, api_key=None, grpc_port=None, timeout_s=5.0, max_kept=4) as connection:
        engine = ServerEngine(connection, Writing(Pressure()), indexed=False, now_s=lambda: now_s[0])
        await engine.create("docs@1", RECIPE, UNTOLD)
        assert await engine.recipe("docs@1", fresh=False) == RECIPE
        # By another process.
        await connection.kept.delete_collection("docs@1")
        other = ServerEngine(connection, Writing(Pressure()), indexed=False)
        await other.create("docs@1", replace(RECIPE, embedder="other@1"), UNTOLD)
        assert await asyncio.gather(*(engine.recipe("docs@1", fresh=False) for _ in range(3))) == [RECIPE] * 3
        now_s[0] += 10.1
        assert (await engine.recipe("docs@1", fresh=False)).embedder == "other@1"


async def test_a_server_that_is_away_leaves_what_was_known() -> None:
    now_s = [100.0]
    async with (
        faulty(answer("acme")) as server,
        connected(server.url, api_key=None, grpc_port=None, timeout_s=5.0, max_kept=4) as connection,
    ):
        engine = ServerEngine(connection, Writing(Pressure()), indexed=False, now_s=lambda: now_s[0])
        known = await engine.recipe("docs@1", fresh=False)
        now_s[0] += 15
        server.fault = "hangup"
        assert await engine.recipe("docs@1", fresh=False) == known
