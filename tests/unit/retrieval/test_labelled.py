import json
from pathlib import Path

import pytest

from tandem.adapters.sources.golden import read_golden
from tandem.domain.errors import InvalidRequest
from tandem.retrieval.labelled import LabelledSet
from tandem.retrieval.metrics import grade


def _written(file: Path, *lines: object) -> Path:
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return file


def test_golden_questions_with_answers_and_with_none_in_the_documents(tmp_path: Path) -> None:
    file = _written(
        tmp_path / "golden.jsonl",
        {"question": "How deep is it?", "document_ids": ["a", "b"], "answer": "9 m", "answers": ["nine metres"]},
        "",
        {"id": "foreign", "question": "Who won?", "unanswerable": True},
    )
    found = read_golden(file)
    assert found == LabelledSet(
        tmp_path.name,
        (),
        {"question-1": "How deep is it?", "foreign": "Who won?"},
        {"question-1": {"a": 1, "b": 1}},
        {"question-1": ("9 m", "nine metres")},
    )
    assert read_golden(tmp_path) == found
    assert found.only(["foreign"]).queries == {"foreign": "Who won?"}


def test_a_beir_folder_without_its_documents(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    _written(tmp_path / "queries.jsonl", {"_id": "q", "text": "How deep?"})
    _written(tmp_path / "answers.jsonl", {"_id": "q", "answers": ["9 m"]})
    _written(tmp_path / "qrels/test.tsv", "query-id\tcorpus-id\tscore", "q\ta\t2", "q\tb\t0")
    found = read_golden(tmp_path)
    assert (found.documents, found.qrels, found.answers) == ((), {"q": {"a": 2}}, {"q": ("9 m",)})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: not an object"),
        ({"document_ids": ["a"]}, "line 2: 'question'"),
        ({"question": "x"}, "line 2: 'document_ids' is missing"),
        ({"question": "x", "document_ids": []}, "line 2: 'document_ids' is missing"),
        ({"question": "x", "document_ids": "a"}, "line 2: 'document_ids' is no list"),
        ({"question": "x", "document_ids": ["a", 7]}, "line 2: 'document_ids' is no list"),
        ({"question": "x", "document_ids": ["a"], "unanswerable": True}, "line 2: an unanswerable question"),
        ({"question": "x", "unanswerable": "yes"}, "line 2: 'unanswerable'"),
        ({"question": "x", "document_ids": ["a"], "answer": 7}, "line 2: 'answer'"),
        ({"question": "x", "document_ids": ["a"], "answers": [7]}, "line 2: 'answers'"),
        ({"question": "x", "documents": ["a"]}, "line 2: 'documents' is no field"),
        ({"id": "question-1", "question": "x", "document_ids": ["a"]}, "line 2: there is a question"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_number(tmp_path: Path, line: object, said: str) -> None:
    file = _written(tmp_path / "golden.jsonl", {"question": "fine", "document_ids": ["a"]}, line)
    with pytest.raises(InvalidRequest, match=said) as caught:
        read_golden(file)
    assert "document_ids" in (caught.value.hint or "")


def test_what_is_there_not_at_all_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no golden questions"):
        read_golden(tmp_path / "nowhere")
    with pytest.raises(InvalidRequest, match="no question"):
        read_golden(_written(tmp_path / "golden.jsonl"))
    (tmp_path / "golden.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        read_golden(tmp_path)


def test_rankings_are_graded_question_by_question() -> None:
    qrels = {"one": {"a": 1}, "two": {"b": 1, "c": 1}, "three": {"d": 1}}
    found = grade(qrels, {"one": ["a"], "two": ["x", "x", "b"], "unknown": ["a"]})
    assert found.questions["one"]["ndcg@10"] == 1
    # The repeated document takes one place, so b is second.
    assert found.questions["two"]["mrr@10"] == 0.5
    assert found.questions["two"]["recall@10"] == 0.5
    assert found.questions["three"]["recall@10"] == 0
    assert found.means["recall@10"] == pytest.approx(0.5)
    assert found.missed == ("two", "three")
