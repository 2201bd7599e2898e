"""BM25's term weights."""

import pytest

from tandem.adapters.embeddings.bm25 import Bm25Embedder
from tandem.domain.errors import ConfigurationError
from tandem.ports.embedder import EmbedKind


def test_a_query_finds_the_terms_of_a_document() -> None:
    embedder = Bm25Embedder()
    document = embedder.embed("The gateways are running in the cluster", "document")
    query = embedder.embed("run a gateway", "query")
    assert set(query.indices) < set(document.indices)
    assert set(query.values) == {1.0}
    assert len(document.indices) == len(set(document.indices)) == len(document.values)


def test_a_term_said_often_weighs_more_but_not_in_proportion() -> None:
    embedder = Bm25Embedder()
    once, thrice = (embedder.embed(text, "document").values[0] for text in ("tea", "tea tea tea"))
    assert once < thrice < 3 * once


def test_a_long_document_weighs_less() -> None:
    embedder = Bm25Embedder()
    short = embedder.embed("tea", "document")
    long = embedder.embed("tea " + " ".join(f"word{number}" for number in range(500)), "document")
    assert dict(zip(long.indices, long.values, strict=True))[short.indices[0]] < short.values[0]


@pytest.mark.parametrize("kind", ["query", "document"])
@pytest.mark.parametrize("text", ["", "the of and", "--- !!!"])
def test_a_text_without_terms_is_empty(text: str, kind: EmbedKind) -> None:
    assert Bm25Embedder().embed(text, kind).indices == ()


@pytest.mark.parametrize("text", ["日本語 のテキスト", "\ud800 half a pair", "nul \x00 byte", "x" * 100_000])
def test_any_text(text: str) -> None:
    Bm25Embedder().embed(text, "document")


def test_the_language_decides_on_stems_and_stop_words() -> None:
    german = Bm25Embedder("german")
    assert german.embed("die Häuser", "document").indices == german.embed("Haus", "query").indices
    assert german.name != Bm25Embedder("english").name


def test_the_same_text_has_the_same_terms_everywhere() -> None:
    """These numbers are in every collection there is: another hash would make them unreadable."""
    vector = Bm25Embedder().embed("Qdrant stores vectors", "query")
    assert sorted(vector.indices) == [546776626, 802574768, 1955147705]


@pytest.mark.parametrize("language", ["klingon", "", "English"])
def test_an_unknown_language(language: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Bm25Embedder(language)
    assert caught.value.hint
