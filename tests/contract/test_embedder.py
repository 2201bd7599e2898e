"""The embedding model: what its vectors are worth, and how it shares the machine."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from tandem.adapters.embeddings.minilm import MiniLmEmbedder, minilm_embedder
from tandem.adapters.embeddings.minilm.wordpieces import MAX_TOKENS
from tandem.ports.embedder import EmbedKind


@pytest.fixture
async def embedder() -> AsyncIterator[MiniLmEmbedder]:
    async with minilm_embedder() as opened:
        yield opened


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_unit_vectors_in_order(embedder: MiniLmEmbedder) -> None:
    texts = ["a much longer text about tea, coffee and water " * 9, "tea", "coffee and water"]
    together = await embedder.embed(texts, "document")
    assert [len(vector) for vector in together] == [embedder.card.dimensions] * 3
    assert [cosine(vector, vector) for vector in together] == pytest.approx([1.0] * 3, abs=1e-5)
    alone = [(await embedder.embed([text], "document"))[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert cosine(one, other) == pytest.approx(1.0, abs=1e-5)


async def test_no_texts(embedder: MiniLmEmbedder) -> None:
    assert await embedder.embed([], "document") == []
    assert await embedder.embed([], "query") == []


async def test_what_is_meant_alike_is_near(embedder: MiniLmEmbedder) -> None:
    (question,) = await embedder.embed(["Where does the cat sit?"], "query")
    near, far = await embedder.embed(["The cat is on the mat.", "Stock markets fell sharply on Monday."], "document")
    assert cosine(question, near) > 0.4
    assert cosine(question, far) < 0.2


@pytest.mark.parametrize("kind", ["query", "document"])
@pytest.mark.parametrize(
    "text", ["", " \n", "日本語", "\x00", "\ud800 half a pair", "a" * 100_000, "word " * 50_000, "👩‍👩‍👧"]
)
async def test_any_text_has_a_vector(embedder: MiniLmEmbedder, kind: EmbedKind, text: str) -> None:
    (vector,) = await embedder.embed([text], kind)
    assert cosine(vector, vector) == pytest.approx(1.0, abs=1e-5)


async def test_a_text_is_cut_at_its_most_tokens(embedder: MiniLmEmbedder) -> None:
    start = "tea " * (MAX_TOKENS - 2)
    vectors = await embedder.embed([start, start + "and then coffee", "tea " * (MAX_TOKENS - 3) + "coffee"], "document")
    assert cosine(vectors[0], vectors[1]) == pytest.approx(1.0, abs=1e-5)
    assert cosine(vectors[0], vectors[2]) < 0.99998


async def test_a_query_is_remembered(embedder: MiniLmEmbedder) -> None:
    first = await embedder.embed(["what is tea?", "what is coffee?"], "query")
    assert await embedder.embed(["what is tea?", "what is coffee?"], "query") == first
    assert first[0] != first[1]


async def test_tokens_are_counted_whole(embedder: MiniLmEmbedder) -> None:
    assert embedder.count_tokens("") == 0
    assert embedder.count_tokens("Hello, world!") == 4
    assert embedder.count_tokens("tea " * 1000) == 1000
    assert embedder.count_tokens("\ud800 tea") >= 1
    # WordPiece: what it does not know is cut into what it does.
    assert embedder.count_tokens("untokenizable") > 1


async def test_the_event_loop_runs_on(embedder: MiniLmEmbedder) -> None:
    turns = 0
    embedding = asyncio.create_task(embedder.embed(["a text about tea " * 30] * 12, "document"))
    while not embedding.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert len(await embedding) == 12
    assert turns > 10


async def test_a_query_does_not_wait_for_documents(embedder: MiniLmEmbedder) -> None:
    documents = asyncio.create_task(embedder.embed(["a text about tea " * 60] * 40, "document"))
    await asyncio.sleep(0.05)
    await embedder.embed(["what is tea?"], "query")
    assert not documents.done()
    documents.cancel()
    with pytest.raises(asyncio.CancelledError):
        await documents


async def test_leaving_waits_for_what_runs() -> None:
    async with minilm_embedder() as embedder:
        embedding = asyncio.create_task(embedder.embed(["a text about tea " * 60] * 200, "document"))
        await asyncio.sleep(0.05)
        embedding.cancel()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("embed-")]


async def test_the_card_names_the_weights(embedder: MiniLmEmbedder) -> None:
    assert (embedder.card.dimensions, embedder.card.max_tokens) == (384, 256)
    assert "8199be6f" in embedder.card.name
