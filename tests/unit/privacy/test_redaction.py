"""What is taken out of texts, on sentences with look-alikes: `tuned` while the rules were made, `held` and `fresh` after."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.marked_texts import marked
from tandem.domain.errors import ConfigurationError
from tandem.pipeline.privacy.redaction import Redaction
from tandem.pipeline.privacy.standard import Kind, redaction

KINDS: tuple[Kind, ...] = ("email", "phone", "card", "iban", "key")
REGIONS = ("US", "GB", "DE", "FR")


@pytest.fixture(scope="module")
def standard() -> Redaction:
    return redaction(KINDS, REGIONS, {})


@pytest.mark.parametrize(
    ("name", "precision", "recall"), [("tuned", 1.0, 1.0), ("held", 1.0, 1.0), ("fresh", 0.89, 1.0)]
)
def test_it_finds_what_is_marked_and_little_else(
    name: str, precision: float, recall: float, standard: Redaction
) -> None:
    hits = wrong = missed = 0
    for text, things in marked(name):
        found = {(find.kind, text[find.start : find.end]) for find in standard.clean(text).taken}
        hits += len(found & things)
        wrong += len(found - things)
        missed += len(things - found)
    assert hits + missed > 20
    assert hits / (hits + wrong) >= precision
    assert hits / (hits + missed) >= recall


def test_the_kind_stands_where_the_thing_stood(standard: Redaction) -> None:
    text = "Write to a.b@example.org, or call +41 44 668 18 00."
    assert standard.clean(text).text == "Write to [email], or call [phone]."


def test_a_clean_text_comes_back_as_it_is(standard: Redaction) -> None:
    text = "Der Hafen öffnet um 8 Uhr. 你好"
    assert standard.clean(text).text is text


@given(st.text(max_size=30), st.text(max_size=30))
def test_places_move_with_the_text_around_them(before: str, after: str) -> None:
    standard = redaction(("email",), (), {})
    text = f"{before} a.b@example.org {after}"
    cleaned = standard.clean(text)
    first, last = cleaned.moved(0), cleaned.moved(len(text))
    assert first == 0
    assert last == len(cleaned.text)
    for taken in cleaned.taken:
        start, end = cleaned.moved(taken.start), cleaned.moved(taken.end)
        assert cleaned.text[start:end] == f"[{taken.kind}]"
        assert cleaned.moved(taken.start + 1) == start


def test_only_what_is_asked_for_is_taken_out() -> None:
    text = "a@example.org from 10.1.2.3 and 2001:db8::1"
    assert redaction((), REGIONS, {}).clean(text).text == text
    assert redaction(("ip",), REGIONS, {}).clean(text).text == "a@example.org from [ip] and [ip]"
    assert redaction(("ip",), REGIONS, {}).clean("at 10:30:22 on v1.2.3 of ::").taken == ()


def test_an_own_pattern_goes_before_the_rest() -> None:
    own = redaction(KINDS, REGIONS, {"case": r"\bCASE-\d{4}\b", "staff": r"[a-z]+@corp\.example"})
    assert own.clean("CASE-1234 of ann@corp.example and b@example.org").text == "[case] of [staff] and [email]"


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(unclosed", "missing \\)"),
        (r"(a)\1", "invalid escape"),
        ("(?<=a)b", "invalid|perl"),
        ("a*", "matches an empty text"),
        ("(a{1000}){1000}", "bad repetition|too large|invalid repetition"),
        ("a" * 1001, "longer than"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused(pattern: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        redaction(KINDS, REGIONS, {"own": pattern})


@pytest.mark.timeout(20)
def test_a_pattern_that_would_hang_others_does_not_hang_this_one() -> None:
    evil = redaction((), (), {"evil": r"(a+)+$x|(a|aa)+b|([a-z]*)*#"})
    assert evil.clean("a" * 200_000 + "!").taken == ()


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit", ["a@b.co ", "+41446681800 ", "4111111111111111 ", "password: a1b2c3 ", "eyJ", "x@", "1 "]
)
def test_large_and_dense_texts_take_time_in_line_with_their_length(unit: str, standard: Redaction) -> None:
    standard.clean(unit * (200_000 // len(unit)))


def test_half_a_character_is_no_fault(standard: Redaction) -> None:
    assert standard.clean("\ud800 a@example.org").text == "? [email]"
