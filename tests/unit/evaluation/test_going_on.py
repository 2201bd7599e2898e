from collections.abc import Sequence
from pathlib import Path

import pytest

from tandem.adapters.evaluations.results import Results
from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.cli.evaluation import _rows
from tandem.cli.evaluation_sides import Request
from tandem.domain.context import RequestContext
from tandem.domain.errors import UnknownCollection
from tandem.domain.passage import Retrieval
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.evaluation.asking import Asking, retrieval_alone
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.support import WordsAndMeaning
from tandem.retrieval.labelled import LabelledSet

SET = LabelledSet("sea", (), {f"q{n}": f"question {n}" for n in range(6)}, {"q0": {"a": 1}})


class Breaking:
    """Finds nothing, in the collection it names, and breaks down after so many questions."""

    def __init__(self, collection: str, lasts: int = 100) -> None:
        self._collection = collection
        self._lasts = lasts
        self.asked: list[str] = []

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        if len(set(self.asked)) == self._lasts and question not in self.asked:
            raise UnknownCollection("gone")
        self.asked.append(question)
        return Retrieval((), 0.0, collection=self._collection)


async def ask(folder: Path, retriever: Breaking) -> Sequence[Row]:
    judge = WordsAndMeaning(HashingEmbedder())
    asking = Asking(SET, retriever, retrieval_alone(retriever), judge, RequestContext("r"), "docs", {})
    request = Request(folder, None, answers=False, limit=None, seed=0, concurrency=1, results=folder)
    return await _rows(request, asking, "key", lambda *_: None)


async def test_an_interrupted_run_asks_only_what_is_left(tmp_path: Path) -> None:
    with pytest.raises(UnknownCollection):
        await ask(tmp_path, Breaking("docs@1", lasts=4))
    assert list(Results(tmp_path).unfinished("key")) == ["q0", "q1", "q2", "q3"]
    again = Breaking("docs@1")
    rows = await ask(tmp_path, again)
    assert [row.question for row in rows] == list(SET.queries)
    assert set(again.asked) == {"question 4", "question 5"}
    # Asked to see whether the collection is still the same, and kept as well.
    assert again.asked.count("question 4") == 1


async def test_after_a_promotion_everything_is_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownCollection):
        await ask(tmp_path, Breaking("docs@1", lasts=4))
    again = Breaking("docs@2")
    rows = await ask(tmp_path, again)
    assert {row.collection for row in rows} == {"docs@2"}
    assert set(again.asked) == set(SET.queries.values())
    assert set(Results(tmp_path).unfinished("key")) == set(SET.queries)
