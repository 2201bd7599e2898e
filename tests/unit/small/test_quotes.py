from hypothesis import given
from hypothesis import strategies as st

from tandem.adapters.small.quotes import quotable


def test_a_sentence_that_promises_code_brings_it_along() -> None:
    text = "## Start\n\nRun this:\n\n```sh\nscripts/run notes\n```\n\nIt opens a page. More follows."
    assert list(quotable(text)) == [
        "Run this:\n\n```sh\nscripts/run notes\n```\n\n",
        "It opens a page.",
        "More follows.",
    ]


def test_code_alone_headings_and_questions_are_no_answers() -> None:
    assert list(quotable("# How do I start?\n\n```sh\nrun\n```\n\nWhy is that?\n")) == []


def test_a_promise_of_a_list_is_kept() -> None:
    assert next(quotable("Formats:\n\n- Markdown and text\n- PDF and DOCX")) == "Formats: Markdown and text"


def test_rows_of_a_table_are_told_as_text() -> None:
    rows = list(quotable("| code | meaning |\n| --- | --- |\n| 2 | wrong usage |\n"))
    assert rows == ["2 — wrong usage"]


def test_code_that_the_chunk_cuts_off_stays_code() -> None:
    assert list(quotable("Like so:\n\n```sh\nrun this and")) == ["Like so:\n\n```sh\nrun this and\n\n"]


@given(st.text(alphabet=" ab.:?!|#`\n-", max_size=200))
def test_nothing_is_made_up(text: str) -> None:
    for quote in quotable(text):
        assert quote.strip()
        assert set(quote) <= set(text) | {" ", "—", "\n"}
