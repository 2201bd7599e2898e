import math
from dataclasses import replace
from typing import Any

import pytest

from fakes.records import answer_record
from tandem.domain.feedback import Feedback
from tandem.domain.passage import StageTime
from tandem.domain.question import Message
from tandem.domain.record import AnswerRecord, RecordedError
from tandem.domain.release import BASE, Book, Release, Tally
from tandem.pipeline.releases.evidence import Evidence

TRIED = Release("second", prompt="answer@2")


def record(release: str = "second", user: str = "u-1", **more: Any) -> AnswerRecord:
    first = answer_record(release=release, user=user)
    plain = replace(first, question=replace(first.question, conversation=()), scores={"groundedness": 0.5})
    return replace(plain, **more)


def watching(*releases: Release) -> Evidence:
    evidence = Evidence()
    evidence.watch(Book(1, releases or (TRIED,)))
    return evidence


def counted(evidence: Evidence) -> dict[str, int]:
    return {f"{arm} {measure}": tally.count for (arm, measure), tally in evidence.taken()[1].items()}


def test_both_sides_are_told_apart() -> None:
    evidence = watching()
    for one in (record(), record(BASE), record("another"), record("")):
        assert evidence(one) is one
    assert counted(evidence) == {
        f"{arm} {measure}": 1 for arm in ("candidate", "control") for measure in ("errors", "latency", "groundedness")
    }


def test_what_serves_is_what_it_is_held_against() -> None:
    evidence = watching(Release("first", state="serving"), TRIED)
    evidence(record(BASE))
    assert counted(evidence) == {}
    evidence(record("first"))
    assert "control errors" in counted(evidence)


def test_a_conversation_counts_once() -> None:
    evidence = watching()
    later = record()
    evidence(replace(later, question=replace(later.question, conversation=(Message("user", "Before."),))))
    assert counted(evidence) == {}
    for user in ("u-1", "u-1", "u-2"):
        evidence(record(user=user))
    assert counted(evidence)["candidate errors"] == 2


def test_what_fails_is_an_error_unless_it_is_no_fault_of_the_release() -> None:
    evidence = watching()
    evidence(record(outcome="failed", error=RecordedError("upstream_failed", "Broken.", "generation")))
    evidence(record(user="u-2", outcome="refused", error=RecordedError("rate_limit_exceeded", "Spent.", "queue")))
    evidence(record(user="u-3", outcome="client_closed"))
    name, tallies = evidence.taken()
    assert name == "second"
    assert {key: (tally.count, tally.total) for key, tally in tallies.items()} == {("candidate", "errors"): (1, 1.0)}


@pytest.mark.parametrize(("code", "stage"), [("overloaded", "generation"), ("deadline_exceeded", "queue")])
@pytest.mark.parametrize(("mode", "errors"), [("canary", 1), ("shadow", 0)])
def test_a_shadow_that_found_no_room_is_no_error(code: str, stage: str, mode: Any, errors: int) -> None:
    evidence = watching(replace(TRIED, mode=mode))
    evidence.shadowed(record(outcome="failed", error=RecordedError(code, "Full.", stage)))
    assert counted(evidence) == ({"candidate errors": errors} if errors else {})


def test_what_was_answered_before_tells_nothing() -> None:
    evidence, kept = watching(), record()
    evidence(replace(kept, answer=replace(kept.answer, cached=True)))
    evidence(record(user="u-2", mode="batch"))
    assert counted(evidence) == {}


@pytest.mark.parametrize(("mode", "seconds"), [("canary", 0.5), ("shadow", 0.3)])
def test_a_shadows_place_in_the_queue_is_not_held_against_it(mode: Any, seconds: float) -> None:
    evidence, answered = watching(replace(TRIED, mode=mode)), record()
    evidence.shadowed(replace(answered, timing=replace(answered.timing, stages=(StageTime("queue", 0.0, 0.2),))))
    assert evidence.taken()[1]["candidate", "latency"].mean == pytest.approx(math.log(seconds))


def test_opinions_come_later() -> None:
    evidence = watching()
    evidence.heard(record(), Feedback("acme", "rcpt-1", -1.0, 0.0))
    evidence.heard(record("another"), Feedback("acme", "rcpt-2", 1.0, 0.0))
    assert {key: tally.mean for key, tally in evidence.taken()[1].items()} == {("candidate", "feedback"): -1.0}


def test_opinions_of_what_is_not_compared_do_not_count() -> None:
    began_at = record().timing.began_at
    evidence = watching(replace(TRIED, collection="docs@3", created_at=began_at))
    other = record(BASE)
    evidence.heard(replace(other, retrieval=replace(other.retrieval, asked="other")), Feedback("acme", "r", 1.0, 0.0))
    early = replace(other, timing=replace(other.timing, began_at=began_at - 1.0))
    evidence.heard(early, Feedback("acme", "r", 1.0, 0.0))
    assert counted(evidence) == {}
    evidence.heard(other, Feedback("acme", "r", 1.0, 0.0))
    assert counted(evidence) == {"control feedback": 1}


def test_what_could_not_be_put_away_waits() -> None:
    evidence = watching()
    evidence(record())
    name, tallies = evidence.taken()
    evidence(record(user="u-2"))
    evidence.back(name, tallies)
    assert counted(evidence)["candidate errors"] == 2


def test_another_candidate_begins_anew() -> None:
    evidence = watching()
    evidence(record())
    evidence.watch(Book(2, (Release("third", prompt="answer@3"),)))
    assert counted(evidence) == {}
    evidence.back("second", {("candidate", "errors"): Tally(1)})
    assert counted(evidence) == {}


def test_questions_about_another_collection_do_not_count() -> None:
    evidence = watching(replace(TRIED, collection="docs@3"))
    other = record(BASE)
    evidence(replace(other, retrieval=replace(other.retrieval, asked="other")))
    assert counted(evidence) == {}
    evidence(other)
    assert "control errors" in counted(evidence)
