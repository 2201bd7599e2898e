import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.passages import passage
from tandem.prompting.citations import cite
from tandem.prompting.units import units

HARBOUR = passage("The harbour opens at seven. It closes at nine. Dogs are welcome on the pier.")
FERRY = passage("The ferry leaves every hour. A ticket costs four crowns.", 1)


def cited(answer: str) -> list[tuple[int, str]]:
    found = cite(answer, [HARBOUR, FERRY])
    return [(each.number, each.passage.chunk.text[each.start : each.end]) for each in found]


def test_a_mark_names_the_sentence_that_supports_the_statement() -> None:
    assert cited("It closes at nine [1]. A ticket costs four crowns [2].") == [
        (1, "It closes at nine."),
        (2, "A ticket costs four crowns."),
    ]


@pytest.mark.parametrize("marks", ["[1][2]", "[1, 2]", "[1] [2]", "[1;2]", "[ignored] [1,2]"])
def test_several_passages_may_support_one_statement(marks: str) -> None:
    assert [number for number, _ in cited(f"Both open daily {marks}.")] == [1, 2]


def test_a_mark_behind_the_full_stop_belongs_to_the_sentence_before() -> None:
    assert cited("Dogs are welcome. [1] A ticket costs four crowns. [2]") == [
        (1, "Dogs are welcome on the pier."),
        (2, "A ticket costs four crowns."),
    ]


def test_numbers_that_stand_for_nothing_are_ignored() -> None:
    assert [number for number, _ in cited("See [0], [3], [99] and [2].")] == [2]


def test_an_answer_without_marks_cites_what_supports_it() -> None:
    assert cited("The ticket costs four crowns.") == [(2, "A ticket costs four crowns.")]


@pytest.mark.parametrize("answer", ["", "…", "The moon orbits the earth and pulls the tide."])
def test_an_answer_that_nothing_supports_cites_nothing(answer: str) -> None:
    assert cited(answer) == []


FARES = passage(
    "Fares of the ferry. All are in crowns.\n\n"
    "| Ticket | Price | Remarks |\n| --- | ---: | --- |\n"
    "| Single, adult | 4 | Valid for two hours. Not on the night boat. |\n"
    "| Day, adult | 9 | Valid until midnight. Dogs travel free! |\n"
    "|  Week  |  30  |  Ask at the office.  |\n"
    "Prices hold until March. Children pay half.\n"
)


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("A day ticket for adults costs 9 crowns", "| Day, adult | 9 | Valid until midnight. Dogs travel free! |"),
        ("Dogs travel free with a day ticket", "| Day, adult | 9 | Valid until midnight. Dogs travel free! |"),
        ("It is not valid on the night boat", "| Single, adult | 4 | Valid for two hours. Not on the night boat. |"),
        ("The price of a week is 30", "|  Week  |  30  |  Ask at the office.  |"),
        ("Children pay half", "Children pay half."),
        ("All are in crowns", "All are in crowns."),
        ("There are columns for ticket, price and remarks", "| Ticket | Price | Remarks |"),
    ],
)
def test_a_row_of_a_table_is_cited_whole(statement: str, row: str) -> None:
    [found] = cite(f"{statement} [1].", [FARES])
    assert FARES.chunk.text[found.start : found.end] == row


def test_a_row_below_another_table_has_not_its_header() -> None:
    text = "| Pier | Depth |\n|---|---|\n| North | 4 m |\n\n| South | 9 m |\n| East. West | 2 m |"
    told = [(text[each.start : each.end], each.header and text[slice(*each.header)]) for each in units(text)]
    assert told == [
        ("| Pier | Depth |", None),
        ("| North | 4 m |", "| Pier | Depth |"),
        ("| South | 9 m |", None),
        ("| East. West | 2 m |", None),
    ]


@given(st.text("|-: .a\nB", max_size=60))
def test_units_are_in_order_and_hold_no_blanks_around(text: str) -> None:
    at = 0
    for each in units(text):
        assert at <= each.start < each.end <= len(text)
        assert text[each.start : each.end] == text[each.start : each.end].strip()
        at = each.end


@given(st.text("[]0123456789, ;.a\n", max_size=60), st.integers(0, 3))
def test_spans_and_numbers_always_fit(answer: str, count: int) -> None:
    passages = [passage(text, n) for n, text in enumerate(("One. Two.", "", "Three")[:count])]
    found = cite(answer, passages)
    assert len({each.number for each in found}) == len(found)
    for each in found:
        assert each.passage is passages[each.number - 1]
        assert 0 <= each.start <= each.end <= len(each.passage.chunk.text)


def test_a_mark_on_a_line_of_its_own_belongs_to_the_statement_before() -> None:
    assert cited("A ticket costs four crowns\n\n[2]") == [(2, "A ticket costs four crowns.")]
    assert cited("- It closes at nine\n- [1]") == [(1, "It closes at nine.")]


@pytest.mark.parametrize("answer", ["[1]", "Entirely different vocabulary [1]."])
def test_where_no_sentence_supports_the_statement_the_passage_stands_as_a_whole(answer: str) -> None:
    assert cited(answer) == [(1, HARBOUR.chunk.text)]
