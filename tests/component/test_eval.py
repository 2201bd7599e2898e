"""Retrieval over Tandem's own documentation, by the real model and the embedded store, stays as good as it was."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem.adapters.sources.beir import read_labelled
from tandem.cli.main import app
from tandem.domain.errors import InvalidRequest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "tests/eval/tandem-docs"
# Each is three questions of fifty under what was measured when the set was made.
FLOORS = {
    "dense": {"recall@5": 0.84, "ndcg@10": 0.75},
    "sparse": {"recall@5": 0.77, "ndcg@10": 0.76},
    "fused": {"recall@5": 0.83, "ndcg@10": 0.80},
    "reranked": {"recall@5": 0.84, "ndcg@10": 0.79},
}


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A small copy that a test may spoil."""
    return Path(shutil.copytree(DOCS, tmp_path / "set"))


def test_no_stage_is_worse_than_it_was_and_foreign_questions_are_refused() -> None:
    run = CliRunner().invoke(app, ["eval", str(DOCS), "-o", "json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    for stage, floors in FLOORS.items():
        for metric, floor in floors.items():
            assert found["stages"][stage][metric] >= floor, (stage, metric)
            low, high = found["stages"][stage]["ci"][metric]
            assert low <= found["stages"][stage][metric] <= high
    assert found["refused_unanswerable"] >= 0.9
    assert found["refused_answerable"] <= 0.16


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("corpus.jsonl", "{not json", "corpus.jsonl, line 1"),
        ("queries.jsonl", '{"_id": 7, "text": "x"}', "queries.jsonl, line 1"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq01\tdocs/backup.md", "test.tsv, line 2"),
        ("qrels/test.tsv", "q01\tnowhere.md\t1", "nowhere.md"),
        ("queries.jsonl", "[]", "queries.jsonl, line 1"),
    ],
)
def test_a_spoiled_set_names_file_and_line(labelled: Path, file: str, line: str, said: str) -> None:
    (labelled / file).write_text(line + "\n")
    with pytest.raises(InvalidRequest, match=said):
        read_labelled(labelled)


@pytest.mark.parametrize("missing", ["corpus.jsonl", "qrels/test.tsv"])
def test_a_folder_without_its_files_is_no_labelled_set(labelled: Path, missing: str) -> None:
    (labelled / missing).unlink()
    with pytest.raises(InvalidRequest) as caught:
        read_labelled(labelled)
    assert "BEIR" in (caught.value.hint or "")


def test_separators_inside_a_text_are_no_line_ends(labelled: Path) -> None:
    with (labelled / "corpus.jsonl").open("a") as corpus:
        corpus.write('{"_id": "odd", "title": "", "text": "one\u2028two\x85three"}\n')
    assert read_labelled(labelled).documents[-1].text == "one\u2028two\x85three"
