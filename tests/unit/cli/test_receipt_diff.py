"""What two receipts differ in, and how a question is asked again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.records import QUESTION, answer_record, passage, with_passages
from tandem.cli.receipt_diff import pieces, receipt_diff
from tandem.cli.replaying import question_of
from tandem.domain.errors import InvalidRequest
from tandem.domain.filters import Condition
from tandem.domain.question import Sampling
from tandem.domain.reader import withheld
from tandem.domain.record import AnswerRecord, RecordedOptions
from tandem.http.wire.receipts import WireReceipt
from tandem.http.wire.receipts_told import wire_receipt
from tandem.pipeline.receipts import Receipt


def told(record: AnswerRecord) -> WireReceipt:
    return wire_receipt(Receipt(record))


def hidden(record: AnswerRecord) -> WireReceipt:
    return wire_receipt(Receipt(withheld(record), withheld=True))


def test_a_receipt_is_the_same_as_itself() -> None:
    diff = receipt_diff(told(answer_record()), told(answer_record()))
    assert diff.same
    assert all(each.same for each in (*diff.versions, *diff.figures, diff.outcome))
    assert diff.answer == (("same", answer_record().answer.text),)


def test_passages_are_kept_gone_or_new_and_move() -> None:
    before = with_passages(answer_record(), passage("a#0"), passage("b#0"), passage("c#0"))
    after = with_passages(answer_record(), passage("b#0", dense=0.75), passage("a#0"), passage("d#0"))
    diff = receipt_diff(told(before), told(after))
    assert diff.passages is not None
    assert [(each.chunk_id, each.change, each.rank_before, each.rank_after) for each in diff.passages] == [
        ("b#0", "kept", 2, 1),
        ("a#0", "kept", 1, 2),
        ("d#0", "new", None, 3),
        ("c#0", "gone", 3, None),
    ]
    assert (diff.passages[0].scores_before["dense"], diff.passages[0].scores_after["dense"]) == (0.5, 0.75)
    assert not diff.same


def test_the_same_chunk_with_another_text_is_no_same_passage() -> None:
    before = with_passages(answer_record(), passage("a#0"))
    after = with_passages(answer_record(), passage("a#0", text="A berth costs fifteen crowns."))
    diff = receipt_diff(told(before), told(after))
    assert diff.passages is not None
    assert diff.passages[0].text_changed
    assert not diff.same


def test_versions_that_changed_are_named() -> None:
    diff = receipt_diff(told(answer_record()), told(answer_record(collection="docs@4", prompt="answer@2", model="gpt")))
    assert {each.name: (each.before, each.after) for each in diff.versions if not each.same} == {
        "collection": ("docs@3", "docs@4"),
        "prompt": ("answer@1", "answer@2"),
        "model": ("llama", "gpt"),
    }
    # Other versions that lead to the same answer are no difference of it.
    assert diff.same


def test_what_is_withheld_is_not_compared() -> None:
    diff = receipt_diff(told(answer_record()), hidden(answer_record()))
    assert (diff.passages, diff.answer, diff.prompt, diff.question) == (None, None, None, None)
    assert diff.outcome.same


def test_answers_are_compared_by_words() -> None:
    assert pieces("It costs fourteen crowns.", "It costs fifteen crowns!") == (
        ("same", "It costs "),
        ("gone", "fourteen"),
        ("new", "fifteen"),
        ("same", " crowns"),
        ("gone", "."),
        ("new", "!"),
    )
    assert pieces("", "") == ()


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_pieces_make_both_texts_again(before: str, after: str) -> None:
    found = pieces(before, after)
    assert "".join(text for sign, text in found if sign != "new") == before
    assert "".join(text for sign, text in found if sign != "gone") == after


def test_long_texts_are_compared_by_lines_and_soon() -> None:
    before = "".join(f"line {number} of many\n" for number in range(3_000))
    found = pieces(before, before.replace("line 7 ", "line seven "))
    assert [sign for sign, _ in found] == ["same", "gone", "new", "same"]


def test_a_question_is_asked_again_as_it_was_asked() -> None:
    record = answer_record(user="u-7")
    options = RecordedOptions(
        top_k=4,
        rerank=False,
        neighbours="section",
        filters=(Condition("author", ("Ann",)), Condition("created_at", at_least=1.5)),
    )
    record = replace(
        record,
        retrieval=replace(record.retrieval, options=options),
        sampling=Sampling(max_tokens=64, temperature=0.0, seed=3, stop=("END",)),
    )
    body = question_of(told(record), collection=None, prompt=None, model=None, top_k=None, current=False)
    assert body == {
        "model": "llama",
        "messages": [{"role": "user", "content": "Hello."}, {"role": "user", "content": QUESTION}],
        "max_tokens": 64,
        "temperature": 0.0,
        "seed": 3,
        "stop": ["END"],
        "tandem": {
            "collection": "docs@3",
            "prompt": "answer@1",
            "cache": False,
            "top_k": 4,
            "rerank": False,
            "neighbours": "section",
            "filters": {"author": ["Ann"], "created_at": {"gte": 1.5}},
        },
    }


def test_other_versions_are_asked_where_they_are_named_and_those_of_now_with_current() -> None:
    receipt = told(answer_record())
    named = question_of(receipt, collection="docs@4", prompt="answer@2", model="gpt", top_k=2, current=False)
    assert (named["model"], named["tandem"]) == (
        "gpt",
        {"collection": "docs@4", "prompt": "answer@2", "cache": False, "top_k": 2},
    )
    now = question_of(receipt, collection=None, prompt=None, model=None, top_k=None, current=True)
    assert (now["model"], now["tandem"]) == ("tandem", {"collection": "docs", "cache": False})


@pytest.mark.parametrize(
    ("receipt", "why"),
    [(hidden(answer_record()), "not for you"), (told(replace(answer_record(), content=False)), "was not kept")],
)
def test_a_question_that_is_not_there_is_not_asked(receipt: WireReceipt, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as refused:
        question_of(receipt, collection=None, prompt=None, model=None, top_k=None, current=False)
    assert refused.value.hint
