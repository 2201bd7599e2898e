import asyncio
from collections.abc import Sequence

import pytest

from fakes.chunks import DIMENSIONS, RECIPE, dense, embedded, record, sparse
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, UnknownCollection, UpstreamUnavailable
from tandem.domain.passage import Passage
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.retrieving import RetrievalDefaults, Retrieving
from tandem.ports.embedder import DenseVector, EmbedderCard, EmbedKind, SparseVector
from tandem.ports.reranker import Reranker
from tandem.retrieval.blend import Blend

TEXTS = ("harbour opens seven", "harbour closes nine", "ferry ticket four crowns", "harbour opens seven")
CONTEXT = RequestContext("r", tenant="acme")
EXPLAINED = RetrievalOptions(collection="docs", explain=True)


class Words:
    """Dense and sparse vectors of a text's words."""

    card = EmbedderCard("words", DIMENSIONS, 256)
    name = "words"

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        return [dense(text) for text in texts]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class WordWeights:
    name = "words"

    def embed(self, text: str, kind: EmbedKind) -> SparseVector:
        return sparse(text)


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


async def retrieving(reranker: Reranker | None = None, **defaults: object) -> Retrieving:
    vectors = MemoryVectors()
    await vectors.ensure_collection("docs", RECIPE)
    await vectors.replace_document("docs", "acme", record("a.md", TEXTS), embedded("a.md", TEXTS))
    await vectors.replace_document(
        "docs", "other", record("b.md", ["harbour secret"]), embedded("b.md", ["harbour secret"])
    )
    settings = RetrievalDefaults(**({"threshold": 0.0} | defaults))  # type: ignore[arg-type]
    return Retrieving(Words(), WordWeights(), vectors, reranker or Blend(), ScriptedClock(), settings)


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
    found = await (await retrieving(top_k=1)).retrieve("harbour opens seven", EXPLAINED, CONTEXT)
    trace = found.trace
    assert trace is not None
    assert trace.queries == ("harbour opens seven",)
    assert len(trace.dense) == len(trace.fused) == len(trace.reranked) == 4
    assert "ferry ticket four crowns" not in texts(trace.sparse)
    assert trace.reranker == "blend@1"
    assert trace.threshold == 0.0
    assert trace.timings_s.keys() == {"embed", "search", "rerank"}
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
    late = RequestContext("r", tenant="acme", deadline_s=999.0)

    class Slow(Words):
        async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
            await asyncio.Event().wait()
            raise AssertionError

    flow = Retrieving(Slow(), WordWeights(), MemoryVectors(), Blend(), ScriptedClock())
    with pytest.raises(DeadlineExceeded) as caught:
        await flow.retrieve("harbour", RetrievalOptions(), late)
    assert caught.value.stage == "embed"


async def test_an_unknown_collection_is_an_error() -> None:
    with pytest.raises(UnknownCollection):
        await (await retrieving()).retrieve("harbour", RetrievalOptions(collection="nope"), CONTEXT)
