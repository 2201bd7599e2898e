"""From answers and opinions to eval and training sets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from fakes.records import ANSWER, PASSAGE, QUESTION, answer_record
from tandem.adapters.sources.beir import read_labelled
from tandem.adapters.sources.golden import read_golden
from tandem.domain.errors import InvalidRequest
from tandem.domain.feedback import DOWN, UP, Feedback
from tandem.domain.record import AnswerRecord
from tandem.pipeline.feedback.dataset import DataSet, dataset

CORRECTED = "A berth for a boat of eight metres costs fourteen crowns a night."


def opinion(receipt_id: str = "rcpt-1", rating: float = UP, **more: Any) -> Feedback:
    return Feedback("acme", receipt_id, rating, **{"given_at": 2_000.0, "caller": "page", **more})


def asked(id_: str, question: str, answer: str = ANSWER, **more: Any) -> AnswerRecord:
    record = answer_record(id_, question=question, **more)
    return replace(record, answer=replace(record.answer, text=answer))


def rows(made: DataSet, name: str) -> list[Any]:
    return [orjson.loads(line) for line in one(made, name).splitlines()]


def one(made: DataSet, name: str) -> bytes:
    return next(each.content for each in made.files if each.name == name)


def written(made: DataSet, folder: Path) -> Path:
    for each in made.files:
        (folder / each.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / each.name).write_bytes(each.content)
    return folder


def test_a_liked_answer_makes_its_cited_documents_right() -> None:
    made = dataset("acme", [opinion()], [answer_record()])
    assert rows(made, "golden/golden.jsonl") == [
        {"id": "rcpt-1", "question": QUESTION, "document_ids": ["harbour.md"], "answer": ANSWER}
    ]
    assert one(made, "qrels/test.tsv") == b"query-id\tcorpus-id\tscore\nrcpt-1\tharbour.md\t1\n"
    assert rows(made, "corpus.jsonl")[0]["text"] == PASSAGE
    assert rows(made, "sft.jsonl")[0]["messages"][-1] == {"role": "assistant", "content": ANSWER}
    assert rows(made, "preferences.jsonl") == []


def test_what_is_written_is_read_as_an_eval_set_and_as_golden_questions(tmp_path: Path) -> None:
    made = dataset("acme", [opinion(), opinion("rcpt-2")], [answer_record(), asked("rcpt-2", "Who keeps the harbour?")])
    folder = written(made, tmp_path / "set@1")
    labelled = read_labelled(folder)
    assert labelled.qrels == {"rcpt-1": {"harbour.md": 1}, "rcpt-2": {"harbour.md": 1}}
    assert [document.id for document in labelled.documents] == ["harbour.md"]
    assert read_golden(folder / "golden" / "golden.jsonl").queries == labelled.queries
    assert read_golden(folder / "golden/golden.jsonl").answers["rcpt-1"] == (ANSWER,)


def test_a_correction_is_what_should_have_been_said() -> None:
    made = dataset("acme", [opinion(rating=DOWN, corrected_answer=CORRECTED)], [answer_record()])
    assert rows(made, "golden/golden.jsonl")[0]["answer"] == CORRECTED
    assert rows(made, "golden/golden.jsonl")[0]["document_ids"] == ["harbour.md"]
    assert rows(made, "sft.jsonl")[0]["messages"][-1]["content"] == CORRECTED
    pair = rows(made, "preferences.jsonl")[0]
    assert pair["chosen"] == [{"role": "assistant", "content": CORRECTED}]
    assert pair["rejected"] == [{"role": "assistant", "content": ANSWER}]
    assert pair["prompt"] == rows(made, "sft.jsonl")[0]["messages"][:-1]
    same = rows(made, "preferences.openai.jsonl")[0]
    assert (same["input"]["messages"], same["preferred_output"], same["non_preferred_output"]) == (
        pair["prompt"],
        pair["chosen"],
        pair["rejected"],
    )


def test_a_correction_that_no_passage_holds_is_for_training_only() -> None:
    made = dataset("acme", [opinion(rating=DOWN, corrected_answer="Ask the mayor of Ghent.")], [answer_record()])
    assert rows(made, "golden/golden.jsonl") == []
    assert len(rows(made, "sft.jsonl")) == 1


def test_a_disliked_answer_without_a_correction_teaches_only_beside_a_liked_one() -> None:
    liked, disliked = asked("rcpt-1", "What is it?"), asked("rcpt-2", "what is it", "Nothing.")
    alone = dataset("acme", [opinion("rcpt-2", DOWN)], [disliked])
    assert rows(alone, "sft.jsonl") == rows(alone, "preferences.jsonl") == rows(alone, "golden/golden.jsonl") == []
    both = dataset("acme", [opinion("rcpt-2", DOWN), opinion()], [disliked, liked])
    assert [
        (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in rows(both, "preferences.jsonl")
    ] == [(ANSWER, "Nothing.")]
    assert orjson.loads(both.manifest("a@1", "t", {}))["files"]["preferences.jsonl"]["sources"] == [
        ["rcpt-1", "rcpt-2"]
    ]


def test_a_right_refusal_is_a_question_without_documents() -> None:
    record = replace(answer_record(outcome="abstained"))
    made = dataset("acme", [opinion()], [record])
    assert rows(made, "golden/golden.jsonl") == [{"id": "rcpt-1", "question": QUESTION, "unanswerable": True}]
    assert rows(made, "queries.jsonl") == []


def test_opinions_of_several_people_are_weighed() -> None:
    said = [opinion(user="a"), opinion(user="b"), opinion(user="c", rating=DOWN)]
    assert len(rows(dataset("acme", said, [answer_record()]), "golden/golden.jsonl")) == 1
    undecided = dataset("acme", said[1:], [answer_record()])
    assert undecided.left_out == {"undecided": 1}
    newest = [
        opinion(user="a", corrected_answer=CORRECTED, given_at=5.0),
        opinion(user="b", corrected_answer="Later.", given_at=6.0),
    ]
    assert rows(dataset("acme", newest, [answer_record()]), "sft.jsonl")[0]["messages"][-1]["content"] == "Later."


def test_a_question_that_comes_again_counts_once_the_newest() -> None:
    old = asked("rcpt-1", "What does it cost?", began_at=1.0)
    new = asked("rcpt-2", "what does it  cost", "Fifteen. [1]", began_at=2.0)
    made = dataset("acme", [opinion("rcpt-2"), opinion()], [new, old])
    assert [(line["id"], line["answer"]) for line in rows(made, "golden/golden.jsonl")] == [("rcpt-2", "Fifteen. [1]")]


def test_a_question_within_a_conversation_is_taken_as_it_stands_alone() -> None:
    record = answer_record(question="And for two?")
    record = replace(record, question=replace(record.question, standalone="What do two berths cost?"))
    assert (
        rows(dataset("acme", [opinion()], [record]), "golden/golden.jsonl")[0]["question"] == "What do two berths cost?"
    )
    first = replace(record, question=replace(record.question, conversation=(), standalone="What do two berths cost?"))
    assert rows(dataset("acme", [opinion()], [first]), "golden/golden.jsonl")[0]["question"] == "And for two?"


def test_without_a_prompt_the_question_is_what_was_asked() -> None:
    record = replace(answer_record(), prompt=None)
    messages = rows(dataset("acme", [opinion()], [record]), "sft.jsonl")[0]["messages"]
    assert messages == [
        {"role": "user", "content": "Hello."},
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": ANSWER},
    ]


def test_nothing_that_was_not_captured_gets_in() -> None:
    shut = replace(answer_record(), content=False)
    failed = replace(answer_record("rcpt-2"), outcome="failed")
    made = dataset("acme", [opinion(), opinion("rcpt-2"), opinion("rcpt-3")], [shut, failed])
    assert made.examples == ()
    assert made.left_out == {"not_captured": 1, "no_answer": 1, "receipt_gone": 1}
    assert b"berth" not in b"".join(each.content for each in made.files)


@pytest.mark.parametrize("foreign", ["opinion", "record"])
def test_tenants_are_never_mixed(foreign: str) -> None:
    said = [opinion(), *([replace(opinion("rcpt-2"), tenant="north")] if foreign == "opinion" else [])]
    records = [answer_record(), *([answer_record("rcpt-2", tenant="north")] if foreign == "record" else [])]
    with pytest.raises(InvalidRequest, match="one tenant"):
        dataset("acme", said, records)


def test_the_same_input_gives_the_same_bytes_in_whatever_order() -> None:
    records = [asked(f"rcpt-{n}", f"Question {n}?", began_at=float(n % 3)) for n in range(7)]
    said = [
        opinion(f"rcpt-{n}", UP if n % 2 else DOWN, corrected_answer=CORRECTED if n == 4 else None) for n in range(7)
    ]
    one_way, other = dataset("acme", said, records), dataset("acme", said[::-1], records[::-1])
    assert [each.content for each in one_way.files] == [each.content for each in other.files]
    assert one_way.manifest("a@1", "t", {"until": 1.0}) == other.manifest("a@1", "t", {"until": 1.0})
    assert one_way.digest != dataset("acme", [each for each in said if each.receipt_id != "rcpt-1"], records).digest


def test_the_manifest_says_what_it_was_made_of() -> None:
    told = orjson.loads(
        dataset("acme", [opinion()], [answer_record()]).manifest("berths@3", "tandem 1", {"until": 9.0})
    )
    assert told["dataset"] == "berths@3"
    assert told["receipts"] == ["rcpt-1"]
    assert told["collections"] == {"docs@3": 1}
    assert told["filters"] == {"until": 9.0}
    assert told["files"]["sft.jsonl"]["sources"] == [["rcpt-1"]]
