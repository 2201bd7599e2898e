"""Chance alone does not look like drift; other questions do."""

import math

import numpy as np
import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.observe.questions import WatchedQuestions
from tandem.pipeline.quality.drift import LEAST, Hour, Questions

DAY_S = 86_400.0


def about(direction: int, n: int, seed: int, spread: float = 1.0) -> list[list[float]]:
    """Unit vectors around one of the axes."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 64)) * spread / 8
    vectors[:, direction] += 0.6
    found: list[list[float]] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tolist()
    return found


def week(clock: ScriptedClock, direction: int = 0) -> Questions:
    questions = Questions(clock)
    for day in range(7):
        questions.asked(about(direction, 40, day))
        clock.advance(DAY_S)
    clock.advance(3600)
    return questions


@pytest.mark.parametrize("n", [LEAST, 200, 2000])
def test_the_same_questions_have_not_drifted_however_few_they_are(n: int) -> None:
    questions = week(ScriptedClock())
    questions.asked(about(0, n, 99))
    drift = questions.drift()
    assert (drift.recent, drift.before) == (n, 280)
    assert drift.distance < 0.03


def test_other_questions_have() -> None:
    questions = week(ScriptedClock())
    questions.asked(about(1, 100, 99))
    assert questions.drift().distance > 0.8
    questions.asked(about(0, 100, 98))
    assert 0.2 < questions.drift().distance < 0.5


def test_with_too_few_questions_there_is_nothing_to_tell() -> None:
    clock = ScriptedClock()
    questions = week(clock)
    questions.asked(about(0, LEAST - 1, 1))
    assert math.isnan(questions.drift().distance)
    assert math.isnan(Questions(clock).drift().distance)


def test_what_is_older_than_the_week_before_is_forgotten() -> None:
    clock = ScriptedClock()
    questions = week(clock)
    clock.advance(9 * DAY_S)
    questions.asked(about(0, 60, 1))
    assert (questions.drift().recent, questions.drift().before) == (60, 0)
    assert len(questions.hours) == 1


@pytest.mark.parametrize("ago", [0, 5])
def test_with_vectors_of_another_length_all_begins_anew(ago: int) -> None:
    clock = ScriptedClock()
    questions = Questions(clock, {int(clock.epoch_s() // 3600) - ago: Hour(90, np.ones(3, np.float32))})
    questions.asked(about(0, 2, 1))
    assert [each.questions for each in questions.hours.values()] == [2]
    assert math.isnan(questions.drift().distance)


async def test_only_questions_are_watched_and_each_once() -> None:
    questions = Questions(ScriptedClock())
    embedder = WatchedQuestions(HashingEmbedder(), questions)
    await embedder.embed(["Where is it?", "its place"], "query")
    await embedder.embed(["A passage."], "document")
    await embedder.embed([], "query")
    (hour,) = questions.hours.values()
    assert hour.questions == 1
    assert hour.total == pytest.approx((await HashingEmbedder().embed(["Where is it?"], "query"))[0], abs=1e-6)
