"""Every embedder: in this process, at a server by either protocol, and the shipped double."""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from fakes.embedding_server import EmbeddingServer
from fakes.live import live
from tandem.adapters.embeddings.minilm import minilm_embedder
from tandem.adapters.embeddings.remote import openai_embedder, tei_embedder
from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.ports.embedder import Embedder, EmbedKind

KINDS: tuple[EmbedKind, ...] = ("query", "document")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def minilm() -> AsyncIterator[Embedder]:
    async with minilm_embedder(threads=1) as opened:
        yield opened


@pytest.fixture(params=["scripted", "minilm", "tei", "openai"])
async def embedder(request: pytest.FixtureRequest, minilm: Embedder) -> AsyncIterator[Embedder]:
    match request.param:
        case "scripted":
            yield HashingEmbedder()
        case "minilm":
            yield minilm
        case "tei":
            async with live(EmbeddingServer(length=3.0).app) as url, tei_embedder(url) as remote:
                yield remote
        case _:
            async with live(EmbeddingServer(length=3.0).app) as url, openai_embedder(url, model="hashing") as remote:
                yield remote


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", KINDS)
async def test_unit_vectors_in_order(embedder: Embedder, kind: EmbedKind) -> None:
    texts = [f"text {number} tells of {'tea ' * (number % 5)}and {number * 7}" for number in range(40)]
    together = await embedder.embed(texts, kind)
    assert {len(vector) for vector in together} == {embedder.card.dimensions}
    assert [cosine(vector, vector) for vector in together] == pytest.approx([1.0] * 40, abs=1e-5)
    for position in (0, 17, 39):
        (alone,) = await embedder.embed([texts[position]], kind)
        assert cosine(alone, together[position]) == pytest.approx(1.0, abs=1e-4)


async def test_no_texts(embedder: Embedder) -> None:
    assert [await embedder.embed([], kind) for kind in KINDS] == [[], []]


@pytest.mark.parametrize(
    "text", ["", " \n", "日本語", "\x00", "\ud800 half a pair", "word " * 20_000, "👩‍👩‍👧", "a" * 50_000]
)
async def test_any_text_has_a_vector(embedder: Embedder, text: str) -> None:
    for kind in KINDS:
        (vector,) = await embedder.embed([text], kind)
        assert cosine(vector, vector) == pytest.approx(1.0, abs=1e-5)


async def test_the_card_tells_what_it_is(embedder: Embedder) -> None:
    card = embedder.card
    assert card.name and card.dimensions > 0 and card.max_tokens >= 256


async def test_tokens_grow_with_the_text(embedder: Embedder) -> None:
    assert embedder.count_tokens("") == 0
    assert embedder.count_tokens("tea") >= 1
    assert embedder.count_tokens("tea and coffee " * 100) >= 300
    assert embedder.count_tokens("\ud800 tea") >= 1


async def test_what_shares_words_is_nearer(embedder: Embedder) -> None:
    (question,) = await embedder.embed(["where does the black cat sit"], "query")
    near, far = await embedder.embed(["the black cat sits on the mat", "markets fell sharply on monday"], "document")
    assert cosine(question, near) > cosine(question, far)
