from dataclasses import replace
from pathlib import Path

import pytest

from tandem.adapters.evaluations.results import Results
from tandem.domain.errors import ConfigurationError
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.run import Run, set_hash
from tandem.retrieval.labelled import LabelledSet

RUN = Run(
    "r1", "a", 1.5, "0.1.0", "in process", "c", "sea", "hash", 2, None, 0, True, "judge@1", ("docs@1",), ("answer@1",), ("m",),
    {"stages": {}},
)  # fmt: skip
ROWS = [
    Row("q1", "port?", answerable=True, stages={"fused": {"ndcg@10": 0.5}}, relevant=("a",), abstained=False, tokens={"prompt": 3}),
    Row("q2", "moon?\u2028", answerable=False, refused=True, degraded=("rerank_skipped",), lost=None),
]  # fmt: skip


def test_an_interrupted_run_is_gone_on_with_and_a_finished_one_is_listed(tmp_path: Path) -> None:
    results = Results(tmp_path / "new" / "folder")
    assert results.unfinished("k") == {}
    with results.keeping("k") as keep:
        keep(ROWS[0])
    with results.keeping("k") as keep:
        keep(ROWS[1])
    assert results.unfinished("k") == {row.question: row for row in ROWS}
    assert results.unfinished("other") == {}
    results.finish(RUN, ROWS, "k")
    assert results.unfinished("k") == {}
    results.finish(replace(RUN, id="r2", set_hash="another"), [], "k")
    assert results.runs("hash") == [RUN]
    assert results.rows(RUN) == ROWS
    assert results.rows(replace(RUN, id="gone")) == []


def test_a_line_that_was_cut_short_is_left_out_and_overwritten(tmp_path: Path) -> None:
    results = Results(tmp_path)
    with results.keeping("k") as keep:
        keep(ROWS[0])
        keep(ROWS[1])
    file = tmp_path / "partial" / "k.jsonl"
    file.write_bytes(file.read_bytes()[:-9])
    assert list(results.unfinished("k")) == ["q1"]
    with results.keeping("k") as keep:
        keep(ROWS[1])
    assert list(results.unfinished("k")) == ["q1", "q2"]
    results.forget("k")
    results.forget("k")
    assert results.unfinished("k") == {}


def test_what_is_no_result_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text('{"id": 7}\n')
    with pytest.raises(ConfigurationError, match=r"runs.jsonl, line 1") as caught:
        Results(tmp_path).runs("hash")
    assert caught.value.hint


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigurationError, match="cannot be used") as caught,
        Results(tmp_path / "file").keeping("k"),
    ):
        pass
    assert "--results" in (caught.value.hint or "")


def test_a_set_is_known_by_all_that_is_in_it() -> None:
    one = LabelledSet("sea", (), {"q": "port?"}, {"q": {"a": 1}}, {"q": ("seven",)})
    others = [
        replace(one, queries={"q": "ferry?"}),
        replace(one, qrels={"q": {"a": 2}}),
        replace(one, answers={"q": ("eight",)}),
        replace(one, name="lake"),
    ]
    assert len({set_hash(each) for each in (one, *others)}) == 5
    assert set_hash(one) == set_hash(replace(one))
