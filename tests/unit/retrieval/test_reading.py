import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.retrieval.reading.authors import authors
from tandem.retrieval.reading.dates import authored_dates, dates
from tandem.retrieval.reading.file_types import file_types
from tandem.retrieval.reading.hint import blanked, overlaps, without
from tandem.retrieval.reading.names import Named, Names
from tandem.retrieval.reading.phrases import phrases
from tandem.retrieval.reading.places import places
from tandem.retrieval.reading.tags import tags

PEOPLE = Names(["Jane Doe", "Doe-Larsen, Ida", "Mary Smith <mary@example.org>", "John Smith", "Ann Smith", "Zoe Smith", "hand"])  # fmt: skip
RULES = (authors, tags, file_types, places, lambda text: dates(text, 1.8e9), lambda text: authored_dates(text, 1.8e9))


@pytest.mark.parametrize(
    ("text", "values", "length"),
    [
        ("jane doe about fees", ("Jane Doe",), 8),
        ("Jane  Doe, of course", ("Jane Doe",), 10),
        ("Ida Doe-Larsen?", ("Doe-Larsen, Ida",), 15),
        ("Mary Smith", ("Mary Smith <mary@example.org>",), 10),
    ],
)
def test_names_begin_what_follows(text: str, values: tuple[str, ...], length: int) -> None:
    assert PEOPLE.at_start(text, proper=True) == Named(values, length)


def test_a_part_of_a_name_has_to_be_wanted_and_to_say_whom() -> None:
    assert PEOPLE.at_start("Doe on fees") is None
    assert PEOPLE.at_start("Doe on fees", partial=True) == Named(("Jane Doe",), 3)
    # Another name goes on, it is no name, or four have it.
    assert PEOPLE.at_start("Jane Goodall on apes", partial=True) is None
    assert PEOPLE.at_start("doe on fees", partial=True) is None
    assert PEOPLE.at_start("Smith on fees", partial=True) is None


def test_a_single_word_is_a_name_when_it_is_written_as_one() -> None:
    assert PEOPLE.at_start("hand", proper=True) is None
    assert PEOPLE.at_start("Hand", proper=True) == Named(("hand",), 4)
    assert PEOPLE.at_start("", proper=True, partial=True) is None


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ('Where is "mooring fees" said?', ["mooring fees"]),
        ("Where is “mooring fees” said, and «old pier»?", ["mooring fees", "old pier"]),
        ('Which page has the exact word "berth"?', ["berth"]),
        ('What is a "berth" then?', []),
        ('What does 12" mean, and 13"?', []),
        ('An "open quotation', []),
        ('"a b" "c d" "e f" "g h"', ["a b", "c d", "e f"]),
    ],
)
def test_phrases(question: str, said: list[str]) -> None:
    found = phrases(question)
    assert [phrase for _, phrase in found] == said
    assert all(phrase in question[start:stop] for (start, stop), phrase in found)


@pytest.mark.parametrize(
    ("question", "spans", "left"),
    [
        ("fees by Jane Doe?", [(5, 16)], "fees?"),
        ("What, in May, is open?", [(6, 12)], "What, is open?"),
        ("by Jane: fees", [(0, 7)], "fees"),
        ("a b c", [(0, 1), (4, 5)], "b"),
        ("fees", [], "fees"),
    ],
)
def test_what_is_left_without_the_words(question: str, spans: list[tuple[int, int]], left: str) -> None:
    assert without(question, spans) == left
    assert len(blanked(question, spans)) == len(question)


def test_overlaps() -> None:
    assert overlaps((0, 3), [(2, 5)])
    assert not overlaps((0, 2), [(2, 5)])


@given(st.text(max_size=300))
def test_no_text_breaks_a_rule_and_every_span_lies_in_it(text: str) -> None:
    for rule in RULES:
        for hint in rule(text):
            start, stop = hint.span
            assert 0 <= start <= stop <= len(text)
    for (start, stop), _ in phrases(text):
        assert 0 <= start < stop <= len(text)


@pytest.mark.parametrize(
    "piece",
    ["by ", "documents ", "written by a ", "in the ", "A a ", '"', "last week ", "a/", "from from ", "did a b ", "with the tag ", "What was "],
)  # fmt: skip
def test_a_long_question_costs_little(piece: str) -> None:
    text = (piece * 2000)[:2000]
    began_s = time.process_time()
    for rule in RULES:
        list(rule(text))
    phrases(text)
    # Measured: at most 0.03 s.
    assert time.process_time() - began_s < 0.5
