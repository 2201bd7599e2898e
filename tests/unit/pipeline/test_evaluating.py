import pytest

from tandem.adapters.scripted.ingestor import ScriptedIngestor
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.errors import InvalidRequest
from tandem.domain.passage import Passage, Retrieval, Trace
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.evaluating import COLLECTION, evaluate
from tandem.retrieval.labelled import LabelledDocument, LabelledSet

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

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        assert options.explain
        assert options.collection == COLLECTION
        passages = tuple(
            Passage(Chunk(f"document-{index}", n, "t", (), 0, 1, 1), "", "")
            for n, index in enumerate(self._rankings[question])
        )
        trace = Trace(dense=passages, sparse=passages[::-1], fused=passages, reranked=passages[:1], reranker="r")
        return Retrieval(passages, 1.0, trace=trace)


async def test_every_stage_is_scored_by_documents_and_refusals_are_counted() -> None:
    steps: list[tuple[str, int, int]] = []
    ingestor = ScriptedIngestor()
    found = await evaluate(
        SET,
        ingestor,
        Known({"port?": [0, 0, 1], "ferry?": [0, 1], "moon?": []}),
        RequestContext("r"),
        lambda *step: steps.append(step),
    )
    assert found.stages["dense"]["mrr@10"] == 0.75
    assert found.stages["dense"]["recall@5"] == 1.0
    assert found.stages["sparse"]["mrr@10"] == 0.75
    assert found.stages["reranked"]["recall@1"] == found.stages["reranked"]["recall@10"] == 0.5
    low, high = found.stages["reranked"]["ci"]["recall@1"]
    assert 0 <= low <= 0.5 <= high <= 1
    assert (found.documents, found.queries) == (2, 3)
    assert (found.refused_answerable, found.refused_unanswerable) == (0.0, 1.0)
    assert steps[-1] == ("asking", 3, 3)
    assert found.body()["stages"].keys() == {"dense", "sparse", "fused", "reranked"}
    assert COLLECTION in ingestor.settled


async def test_a_set_that_judges_nothing_is_refused() -> None:
    nothing = LabelledSet("empty", SET.documents, SET.queries, {})
    with pytest.raises(InvalidRequest, match="judges no question"):
        await evaluate(nothing, ScriptedIngestor(), Known({}), RequestContext("r"), lambda *_: None)
