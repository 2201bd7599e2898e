import pytest

from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.pipeline.evaluation import remembering
from tandem.pipeline.evaluation.remembering import Remembering


async def test_questions_are_embedded_once_and_documents_each_time() -> None:
    inner = HashingEmbedder()
    embedder = Remembering(inner)
    first = await embedder.embed(["one", "two", "one"], "query")
    assert inner.calls == 2
    assert await embedder.embed(["two", "three"], "query") == [first[1], *await inner.embed(["three"], "query")]
    assert first[0] == first[2] != first[1]
    calls = inner.calls
    await embedder.embed(["one", "one"], "document")
    assert inner.calls == calls + 2
    assert await embedder.embed([], "query") == []
    assert (embedder.card, embedder.count_tokens("one two")) == (inner.card, 2)


async def test_it_remembers_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "_KEPT", 2)
    inner = HashingEmbedder()
    embedder = Remembering(inner)
    for word in ("one", "two", "three", "three", "two", "one"):
        await embedder.embed([word], "query")
    # Each of the three once, and the oldest once more.
    assert inner.calls == 4
