from collections.abc import Mapping
from dataclasses import replace

import pytest

from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.adapters.scripted.ingestor import ScriptedIngestor
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.errors import InvalidRequest, Overloaded, UnknownCollection, UpstreamUnavailable
from tandem.domain.passage import Passage, Retrieval, Trace
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.evaluating import COLLECTION, evaluate, fill, names, sample
from tandem.pipeline.evaluation.asking import Asking, retrieval_alone
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.summary import summarise
from tandem.pipeline.evaluation.support import WordsAndMeaning
from tandem.retrieval.labelled import LabelledDocument, LabelledSet

CONTEXT = RequestContext("r")
SET = LabelledSet(
    "sea",
    (LabelledDocument("../port", "Port", "opens at seven"), LabelledDocument("ferry", "", "costs four crowns")),
    {"q1": "port?", "q2": "ferry?", "q3": "moon?"},
    {"q1": {"../port": 1}, "q2": {"ferry": 1}},
)


class Known:
    """Ranks the documents of the ingested set as told, by their place in it."""

    def __init__(self, rankings: dict[str, list[int]]) -> None:
        self._rankings = rankings
        self.refusals: list[Exception] = []

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        if self.refusals:
            raise self.refusals.pop()
        assert options.explain
        assert options.collection == COLLECTION
        passages = tuple(
            Passage(Chunk(f"document-{index}", n, "t", (), 0, 1, 1), "", "")
            for n, index in enumerate(self._rankings[question])
        )
        trace = Trace(dense=passages, sparse=passages[::-1], fused=passages, reranked=passages[:1], reranker="r")
        return Retrieval(passages[: options.top_k or 1], 1.0, trace=trace, collection="evaluation@1")


def asking(retriever: Known, labelled: LabelledSet = SET, named: Mapping[str, str] | None = None) -> Asking:
    judge = WordsAndMeaning(HashingEmbedder())
    ids = names(SET) if named is None else named
    return Asking(labelled, retriever, retrieval_alone(retriever), judge, CONTEXT, COLLECTION, ids)


def nothing(*_: object) -> None:
    """Neither kept nor told."""


async def test_every_stage_is_scored_by_documents_and_refusals_are_counted() -> None:
    steps: list[tuple[str, int, int]] = []
    kept: list[Row] = []
    ingestor = ScriptedIngestor()
    await fill(SET, ingestor, CONTEXT, lambda *step: steps.append(step))
    assert steps[-1] == ("ingesting", 2, 2)
    assert COLLECTION in ingestor.settled
    known = Known({"port?": [0, 0, 1], "ferry?": [0, 1], "moon?": []})
    rows = await evaluate(SET, asking(known), {}, kept.append, lambda *step: steps.append(step))
    assert kept == rows
    assert steps[-1] == ("asking", 3, 3)
    found = summarise(SET, rows)
    assert found.stages["dense"]["mrr@10"] == 0.75
    assert found.stages["dense"]["recall@5"] == 1.0
    assert found.stages["sparse"]["mrr@10"] == 0.75
    assert found.stages["reranked"]["recall@1"] == found.stages["reranked"]["recall@10"] == 0.5
    low, high = found.stages["reranked"]["ci"]["recall@1"]
    assert 0 <= low <= 0.5 <= high <= 1
    assert (found.documents, found.queries) == (2, 3)
    assert (found.refused_answerable, found.refused_unanswerable) == (0.0, 1.0)
    assert found.body()["stages"].keys() == {"dense", "sparse", "fused", "reranked"}
    assert found.final == "reranked"
    assert {stage: gain["mean"] for stage, gain in found.gains.items()} == {
        stage: pytest.approx(found.stages["reranked"]["ndcg@10"] - found.stages[stage]["ndcg@10"], abs=2e-4)
        for stage in ("dense", "sparse", "fused")
    }
    assert "between reranked and dense on nDCG@10" in found.gains["dense"]["verdict"]
    # Of two documents the prompt takes one, which is the wrong one for the second question.
    assert found.served["hit"]["mean"] == 0.5
    assert found.lost == {"ranked_low": 1}
    assert (rows[0].collection, rows[0].found, rows[1].lost) == ("evaluation@1", ("../port",), "ranked_low")
    assert (found.abstained_answerable, found.answers, found.failed) == (None, {}, {})


async def test_a_collection_that_exists_has_document_ids_of_its_own() -> None:
    labelled = replace(SET, documents=(), qrels={"q1": {"document-0": 1}, "q2": {"ferry": 1}})
    known = Known({"port?": [0], "ferry?": [0], "moon?": [0]})
    rows = await evaluate(labelled, asking(known, labelled, {}), {}, nothing, nothing)
    assert [row.found for row in rows] == [("document-0",)] * 3
    assert [row.lost for row in rows] == [None, "not_recalled", None]


def test_a_set_that_judges_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="judges no question"):
        sample(LabelledSet("empty", SET.documents, SET.queries, {}), None, 0)


def test_a_sample_is_the_same_for_the_same_seed_and_keeps_the_order() -> None:
    labelled = replace(SET, queries={f"q{n}": "?" for n in range(50)})
    drawn = sample(labelled, 10, 1)
    assert list(drawn.queries) == sorted(drawn.queries, key=lambda each: int(each[1:]))
    assert (len(drawn.queries), drawn) == (10, sample(labelled, 10, 1))
    assert drawn != sample(labelled, 10, 2)
    assert sample(labelled, 50, 1) is labelled


async def test_what_is_known_is_not_asked_again() -> None:
    known = Known({"port?": [0], "ferry?": [1]})
    before = Row("q3", "moon?", answerable=False, refused=True)
    kept: list[Row] = []
    rows = await evaluate(SET, asking(known), {"q3": before}, kept.append, nothing, concurrency=2)
    assert [row.question for row in rows] == ["q1", "q2", "q3"]
    assert rows[2] is before
    assert {row.question for row in kept} == {"q1", "q2"}


async def test_an_overloaded_server_is_asked_again_after_the_time_it_names() -> None:
    known = Known({"port?": [0], "ferry?": [1], "moon?": []})
    known.refusals = [Overloaded("full", retry_after_s=0.001)] * 3
    rows = await evaluate(SET, asking(known), {}, nothing, nothing)
    assert [row.failed for row in rows] == [None] * 3


async def test_a_question_that_fails_is_counted_out_and_not_kept() -> None:
    known = Known({"port?": [0], "ferry?": [1], "moon?": []})
    known.refusals = [UpstreamUnavailable("away")]
    kept: list[Row] = []
    found = summarise(SET, await evaluate(SET, asking(known), {}, kept.append, nothing))
    assert found.failed == {"upstream_unavailable": 1}
    assert len(kept) == 2
    assert found.served["hit"]["questions"] == 1


async def test_failures_now_and_then_end_nothing() -> None:
    labelled = replace(SET, queries={f"q{n}": f"{n}" for n in range(14)})
    known = Known({f"{n}": [0] for n in range(14)})

    class Wavering(Known):
        async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
            if int(question) % 2:
                raise UpstreamUnavailable("away")
            return await known.retrieve(question, options, context)

    rows = await evaluate(labelled, asking(Wavering({}), labelled), {}, nothing, nothing)
    assert sum(row.failed is not None for row in rows) == 7


async def test_many_failures_in_a_row_end_the_run_and_what_cannot_pass_does_at_once() -> None:
    labelled = replace(SET, queries={f"q{n}": "?" for n in range(9)})
    known = Known({"?": [0]})
    known.refusals = [UpstreamUnavailable("away")] * 9
    with pytest.raises(UpstreamUnavailable, match="away"):
        await evaluate(labelled, asking(known, labelled), {}, nothing, nothing)
    known.refusals = [UnknownCollection("no such collection")]
    with pytest.raises(UnknownCollection):
        await evaluate(labelled, asking(known, labelled), {}, nothing, nothing, concurrency=3)
