"""Each cheap measure says what it is meant to say, and nothing where it cannot tell."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.answer_records import answer_record as record
from tandem.domain.record import AnswerRecord, RecordedOutcome, RecordedRetrieval
from tandem.pipeline.quality.scores import Scoring, measured, support

PAIRS = Path(__file__).parents[2] / "eval/support/pairs.jsonl"


def scores(told: AnswerRecord) -> dict[str, float]:
    return dict(measured(told, lambda _: None))


def test_a_supported_and_cited_answer_has_it_all() -> None:
    assert scores(record("The harbour opens at seven [1].")) == {
        "relevance": 0.7,
        "abstained": 0.0,
        "citation_coverage": 1.0,
        "groundedness": 1.0,
    }


def test_what_the_passages_do_not_say_counts_against_it() -> None:
    told = scores(record("The harbour opens at seven [1]. Tickets to Lisbon cost 45 euros."))
    assert (told["citation_coverage"], told["groundedness"]) == (0.5, 0.5)


def test_a_changed_number_is_seen() -> None:
    assert scores(record("It closes at 11 on weekdays [1]."))["groundedness"] == 0.0


def test_a_mark_of_a_passage_that_is_not_there_covers_nothing() -> None:
    assert scores(record("The harbour opens at seven [7]."))["citation_coverage"] == 0.0


@pytest.mark.parametrize(("cites", "covered"), [(1, 1.0), (0, 0.0)])
def test_an_answer_without_marks_is_covered_by_what_the_platform_cites(cites: int, covered: float) -> None:
    assert scores(record("The harbour opens at seven.", cites=cites))["citation_coverage"] == covered


def test_an_abstention_is_counted_and_not_judged() -> None:
    assert scores(record("I don't know.", outcome="abstained")) == {"relevance": 0.7, "abstained": 1.0}


@pytest.mark.parametrize("outcome", ["failed", "refused", "client_closed", "cancelled"])
def test_what_is_no_answer_is_not_measured(outcome: RecordedOutcome) -> None:
    assert scores(record("The harbour", outcome=outcome)) == {}


def test_an_answer_without_documents_is_not_held_against_any() -> None:
    told = record("It opens at seven.", outcome="ungrounded")
    assert scores(replace(told, retrieval=RecordedRetrieval("docs"))) == {}


def test_the_answer_should_speak_the_language_of_the_question() -> None:
    told = record("Der Hafen öffnet um sieben [1].")
    assert dict(measured(told, lambda text: "de" if "Hafen" in text else "en"))["language_match"] == 0.0
    assert dict(measured(told, lambda _: "de"))["language_match"] == 1.0


def test_scores_are_added_to_those_there_are() -> None:
    told = replace(record("The harbour opens at seven [1]."), scores={"other": 1.0})
    assert Scoring(lambda _: None)(told).scores.keys() == {"other", *scores(told)}


def test_it_agrees_with_people_on_pairs_that_it_was_not_fitted_on() -> None:
    held_out = [pair for pair in map(json.loads, PAIRS.read_text().splitlines()) if pair["passage"] % 2 == 0]
    agreed = sum((support(pair["statement"], [pair["evidence"]]) >= 0.5) == pair["supported"] for pair in held_out)
    # .71 when the weights were fitted.
    assert agreed / len(held_out) >= 0.68
