import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.domain.text import content_words, holds_stem, sentences, stem, stem_set, stems, words

PIECES = (*"abAZ01 .!?…\n\t-*#|\"')]。", "[1]", "e.g. ", "3.5", "Dr. ", "\n\n", "1. ")
PROSE = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def said(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@given(st.one_of(PROSE, st.text(max_size=60)))
def test_sentences_are_in_order_never_blank_and_leave_out_only_blanks(text: str) -> None:
    spans = list(sentences(text))
    place = 0
    for start, end in spans:
        assert place <= start < end <= len(text)
        assert not text[place:start].strip()
        assert text[start:end] == text[start:end].strip()
        place = end
    assert not text[place:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It opens. It closes.", ["It opens.", "It closes."]),
        ("Really?! Yes… No.", ["Really?!", "Yes…", "No."]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("It opens at seven [1]. It closes [2].", ["It opens at seven [1].", "It closes [2]."]),
        ("It opens. [1] It closes. [2, 3]", ["It opens. [1]", "It closes. [2, 3]"]),
        ("開く。閉じる。", ["開く。", "閉じる。"]),
        ("One line\nof one sentence.", ["One line\nof one sentence."]),
        ("A heading\n\nA paragraph.", ["A heading", "A paragraph."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Version 3.11 costs 2.50 crowns.",
        "Set server.port in tandem.yaml first.",
        "Open http://127.0.0.1:8000/v1/models now.",
        "It takes e.g. two days.",
        "Use tools, i.e. hammers, etc. and so on.",
    ],
)
def test_a_full_stop_inside_a_word_or_before_a_small_letter_ends_nothing(text: str) -> None:
    assert said(text) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "Ask Dr. Berg about it.",
        "See Fig. 3 for more.",
        "It was built by J. R. Berg himself.",
        "The U.S. Senate met at noon.",
        "Bring tools, e.g. Allen keys.",
    ],
)
def test_an_abbreviation_ends_nothing(text: str) -> None:
    assert said(text) == [text]


def test_each_item_of_a_list_and_each_row_of_a_table_stands_for_itself() -> None:
    assert said("Bring:\n- a rope\n- a lamp\n* a map") == ["Bring:", "- a rope", "- a lamp", "* a map"]
    assert said("Then:\n1. Open it.\n2. Close it.") == ["Then:", "1. Open it.", "2. Close it."]
    assert said("| key | value |\n| --- | --- |\n| port | 8000 |") == [
        "| key | value |",
        "| --- | --- |",
        "| port | 8000 |",
    ]


def test_words_are_folded_and_keep_their_apostrophe() -> None:
    assert words("Don’t STOP the Straße, it's 3.5 km") == ["don’t", "stop", "the", "strasse", "it's", "3", "5", "km"]


def test_content_words_leave_out_the_small_ones_unless_there_are_no_others() -> None:
    assert content_words("How do I open the harbour?") == ["open", "harbour"]
    assert content_words("What is it?") == ["what", "is", "it"]
    assert content_words("…") == []


@pytest.mark.parametrize(
    "family",
    [
        ("mooring", "moorings", "moored", "moors", "moor"),
        ("city", "cities"),
        ("index", "indexes", "indexed", "indexing"),
        ("chunk", "chunks"),
        ("ingest", "ingests", "ingesting", "ingested"),
        ("store", "stores", "stored", "storing"),
        ("use", "used", "uses", "using"),
        ("configure", "configured", "configuring", "configures"),
        ("stop", "stopped", "stopping", "stops"),
        ("citation", "citations"),
        ("query", "queries", "queried", "querying"),
        ("key", "keys", "keyed"),
        ("class", "classes"),
        ("try", "tries", "tried", "trying"),
        ("tandem", "tandem's", "tandem’s"),
        ("cache", "caches", "cached", "caching"),
    ],
)
def test_inflections_of_one_word_share_a_stem(family: tuple[str, ...]) -> None:
    assert len({stem(word) for word in family}) == 1


@pytest.mark.parametrize(
    "word", ["is", "red", "king", "string", "class", "status", "need", "speed", "bus", "ss", "e", ""]
)
def test_what_only_looks_like_an_ending_stays(word: str) -> None:
    assert stem(word) == word


@given(st.text(st.sampled_from("abeginrstuyd'’"), max_size=9))
def test_a_stem_is_the_words_beginning_and_never_nothing(word: str) -> None:
    assert word.startswith(stem(word))
    assert stem(word) or not word.removesuffix("'s").removesuffix("’s")


def test_stems_are_those_of_the_content_words_in_order() -> None:
    assert stems("How do the moored boats open harbours?") == ["moor", "boat", "open", "harbour"]


TEXT = st.lists(
    st.sampled_from(("mooring", "moored", "moo", "the", "Cities", "city", "x-city", "drain_timeout", "it's", "7", "—"))
)


@given(TEXT.map(" ".join), st.sampled_from(("mooring", "city", "drain", "timeout", "moo", "7", "it")))
def test_a_stem_is_held_when_some_content_word_has_it(text: str, word: str) -> None:
    text = f"{text} harbour"
    assert holds_stem(text.casefold(), stem(word)) is (stem(word) in stem_set(text))


@pytest.mark.parametrize(
    ("text", "wanted", "held"),
    [
        ("The harbours open.", "harbour", True),
        ("A boatharbour.", "harbour", False),
        ("o'harbour's", "harbour", False),
        ("harbour's", "harbour", True),
        ("(Harbour)", "harbour", True),
        ("harbouring_fees", "fe", True),
        ("STRASSE straße", "strass", True),
        ("harbourmaster harbour", "harbour", True),
        ("", "harbour", False),
    ],
)
def test_where_a_stem_is_held(text: str, wanted: str, held: bool) -> None:
    assert holds_stem(text.casefold(), wanted) is held
