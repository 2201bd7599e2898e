import asyncio
from collections.abc import Sequence

import pytest

from fakes.chunks import RECIPE, embedded, record
from fakes.words import Words, WordWeights
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, UnknownCollection, UpstreamFailed, UpstreamUnavailable
from tandem.domain.passage import Passage
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.retrieving import RetrievalDefaults, Retrieving
from tandem.ports.embedder import DenseVector, EmbedKind, SparseVector
from tandem.ports.reranker import Reranker
from tandem.ports.vectors import SearchHits, VectorQuery
from tandem.retrieval.blend import Blend
from tandem.retrieval.relevance import THRESHOLD

TEXTS = ("harbour opens seven", "harbour closes nine", "ferry ticket four crowns", "harbour opens seven")
CONTEXT = RequestContext("r", tenant="acme")
VERSION = RetrievalOptions(collection="docs@1")
EXPLAINED = RetrievalOptions(collection="docs", explain=True)


class Reversing:
    """Prefers what comes last; may fail or hang instead."""

    name = "reversing"

    def __init__(self, *, fails: bool = False, hangs: bool = False) -> None:
        self.asked = 0
        self._fails, self._hangs = fails, hangs

    async def score(self, question: str, passages: Sequence[Passage], context: RequestContext) -> list[float]:
        self.asked += 1
        if self._fails:
            raise UpstreamUnavailable("away")
        if self._hangs:
            await asyncio.Event().wait()
        return [float(n) for n in range(len(passages))]


async def begun(vectors: MemoryVectors) -> MemoryVectors:
    await vectors.ensure_collection("docs", RECIPE)
    return vectors


async def retrieving(
    reranker: Reranker | None = None,
    embedder: Words | None = None,
    sparse: WordWeights | None = None,
    **defaults: object,
) -> Retrieving:
    vectors = await begun(MemoryVectors())
    await vectors.replace_document("docs", "acme", record("a.md", TEXTS), embedded("a.md", TEXTS))
    await vectors.replace_document(
        "docs", "other", record("b.md", ["harbour secret"]), embedded("b.md", ["harbour secret"])
    )
    settings = RetrievalDefaults(**({"threshold": 0.0} | defaults))  # type: ignore[arg-type]
    return Retrieving(
        embedder or Words(), sparse or WordWeights(), vectors, reranker or Blend(), ScriptedClock(), settings
    )


def texts(passages: Sequence[Passage]) -> list[str]:
    return [each.chunk.text for each in passages]


async def test_the_best_passage_comes_first_with_the_scores_of_every_stage() -> None:
    found = await (await retrieving()).retrieve("harbour opens seven", RetrievalOptions(), CONTEXT)
    best = found.passages[0]
    assert best.chunk.text == "harbour opens seven"
    assert None not in {
        best.scores.dense,
        best.scores.sparse,
        best.scores.fused,
        best.scores.rerank,
        best.scores.relevance,
    }
    assert found.relevance == best.scores.relevance
    assert found.trace is None
    assert found.degraded == ()


async def test_the_trace_tells_every_stage_and_why_passages_were_dropped() -> None:
    found = await (await retrieving(top_k=2)).retrieve("harbour opens seven", EXPLAINED, CONTEXT)
    trace = found.trace
    assert trace is not None
    assert trace.queries == ("harbour opens seven",)
    assert len(trace.dense) == len(trace.fused) == len(trace.reranked) == 4
    assert "ferry ticket four crowns" not in texts(trace.sparse)
    assert trace.reranker == "blend@1"
    assert trace.threshold == 0.0
    assert trace.timings_s.keys() == {"embed", "search", "rerank", "select"}
    assert sorted((each.reason, each.by) for each in trace.dropped if each.reason == "near_duplicate") == [
        ("near_duplicate", "a.md#0")
    ]
    assert {each.reason for each in trace.dropped} == {"near_duplicate", "over_top_k"}


async def test_only_the_callers_own_documents_are_searched() -> None:
    found = await (await retrieving()).retrieve("harbour secret", EXPLAINED, CONTEXT)
    assert found.trace is not None
    assert {each.chunk.document_id for each in found.trace.fused} == {"a.md"}


async def test_what_is_not_relevant_enough_is_not_returned() -> None:
    found = await (await retrieving(threshold=0.5)).retrieve("zebra migration", EXPLAINED, CONTEXT)
    assert found.passages == ()
    assert found.relevance < 0.5
    assert found.trace is not None
    assert {each.reason for each in found.trace.dropped} == {"below_threshold"}


async def test_the_reranker_decides_the_order_unless_the_request_says_no() -> None:
    flow = await retrieving(Reversing())
    straight = await flow.retrieve("harbour opens seven", RetrievalOptions(rerank=False, explain=True), CONTEXT)
    turned = await flow.retrieve("harbour opens seven", EXPLAINED, CONTEXT)
    assert straight.trace is not None
    assert turned.trace is not None
    assert (straight.trace.reranker, straight.trace.reranked) == (None, ())
    assert texts(turned.trace.reranked) == texts(straight.trace.fused)[::-1]
    assert turned.trace.reranker == "reversing"


async def test_a_reranker_that_fails_costs_its_gain_and_not_the_answer() -> None:
    found = await (await retrieving(Reversing(fails=True))).retrieve("harbour opens seven", RetrievalOptions(), CONTEXT)
    assert found.passages[0].chunk.text == "harbour opens seven"
    assert found.degraded == ("rerank_failed",)


async def test_a_reranker_that_would_not_fit_is_not_asked() -> None:
    reranker = Reversing()
    hurried = RequestContext("r", tenant="acme", deadline_s=1000.25)
    found = await (await retrieving(reranker)).retrieve("harbour opens seven", RetrievalOptions(), hurried)
    assert found.degraded == ("rerank_skipped",)
    assert reranker.asked == 0


async def test_a_reranker_that_hangs_is_left_behind() -> None:
    flow = await retrieving(Reversing(hangs=True))
    found = await flow.retrieve(
        "harbour opens seven", RetrievalOptions(), RequestContext("r", "acme", deadline_s=1000.35)
    )
    assert found.degraded == ("rerank_failed",)


async def test_a_search_beyond_the_deadline_names_its_stage() -> None:
    class Slow(MemoryVectors):
        async def search(self, collection: str, query: VectorQuery) -> SearchHits:
            await asyncio.Event().wait()
            raise AssertionError

    flow = Retrieving(Words(), WordWeights(), await begun(Slow()), Blend(), ScriptedClock())
    for left_s in (-1.0, 0.0, 0.02):
        with pytest.raises(DeadlineExceeded) as caught:
            await flow.retrieve("harbour", VERSION, hurried(left_s))
        assert caught.value.stage == "search"


class Hanging(Words):
    """An embedder that never comes to its end."""

    asked = 0

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError


def hurried(left_s: float) -> RequestContext:
    return RequestContext("r", tenant="acme", deadline_s=1000.0 + left_s)


async def test_an_embedding_that_would_not_fit_is_left_out_and_words_alone_are_searched_for() -> None:
    embedder = Hanging()
    found = await (await retrieving(embedder=embedder)).retrieve("harbour seven", EXPLAINED, hurried(0.06))
    assert found.degraded == ("dense_skipped", "rerank_skipped")
    assert found.passages[0].chunk.text == "harbour opens seven"
    assert found.trace is not None
    assert found.trace.dense == ()
    assert embedder.asked == 0


async def test_an_embedding_that_takes_too_long_is_left_behind() -> None:
    embedder = Hanging()
    found = await (await retrieving(embedder=embedder, rerank=False)).retrieve("harbour seven", EXPLAINED, hurried(0.1))
    assert found.degraded == ("dense_failed",)
    assert found.passages[0].chunk.text == "harbour opens seven"
    assert embedder.asked == 1


async def test_a_question_without_words_needs_its_embedding() -> None:
    class Wordless(WordWeights):
        def embed(self, text: str, kind: EmbedKind) -> SparseVector:
            return SparseVector((), ())

    flow = await retrieving(embedder=Hanging(), sparse=Wordless())
    with pytest.raises(DeadlineExceeded) as caught:
        await flow.retrieve("harbour", RetrievalOptions(), hurried(0.02))
    assert caught.value.stage == "embed"


async def test_words_alone_are_judged_by_how_much_of_the_question_they_hold() -> None:
    flow = await retrieving(embedder=Hanging(), threshold=THRESHOLD)
    for question, answered in (("harbour opens seven", True), ("harbour museum exhibits dinosaurs", False)):
        found = await flow.retrieve(question, RetrievalOptions(), hurried(0.06))
        assert bool(found.passages) is answered


@pytest.mark.parametrize("error", [UpstreamUnavailable("away"), UpstreamFailed("broke")])
@pytest.mark.parametrize("place", ["embedder", "vectors"])
async def test_a_failure_says_that_retrieval_needed_what_is_away(
    error: UpstreamUnavailable | UpstreamFailed, place: str
) -> None:
    class Failing(MemoryVectors, Words):
        async def search(self, collection: str, query: VectorQuery) -> SearchHits:
            raise error

        async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
            raise error

    parts = {"embedder": Words(), "vectors": await begun(MemoryVectors())} | {place: await begun(Failing())}
    flow = Retrieving(sparse=WordWeights(), reranker=Blend(), clock=ScriptedClock(), **parts)  # type: ignore[arg-type]
    with pytest.raises(type(error)) as caught:
        await flow.retrieve("harbour", VERSION, CONTEXT)
    assert caught.value is error
    assert error.stage == "retrieval"


async def test_the_store_is_told_how_long_it_is_waited_for() -> None:
    class Listening(MemoryVectors):
        within: list[float | None] = []  # noqa: RUF012

        async def search(self, collection: str, query: VectorQuery) -> SearchHits:
            self.within.append(query.within_s)
            return SearchHits((), (), ())

    flow = Retrieving(Words(), WordWeights(), await begun(Listening()), Blend(), ScriptedClock())
    await flow.retrieve("harbour", VERSION, CONTEXT)
    await flow.retrieve("harbour", VERSION, hurried(3.0))
    assert Listening.within == [None, 3.0]


async def test_an_unknown_collection_is_an_error() -> None:
    with pytest.raises(UnknownCollection):
        await (await retrieving()).retrieve("harbour", RetrievalOptions(collection="nope"), CONTEXT)
