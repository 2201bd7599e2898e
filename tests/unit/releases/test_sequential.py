"""The test by simulation, with fixed seeds; `scripts/bench canary` prints more of the same."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from tandem.domain.release import Arm, Measure, Release, ReleasePolicy, Tally
from tandem.pipeline.releases.judging import Decision, judge
from tandem.pipeline.releases.sequential import LEAST, harm

POLICY = ReleasePolicy(soak_s=0.0)
RELEASE = Release("r1", weight=0.5, policy=POLICY)
LIKE_BEFORE = {"grounded": 0.8, "latency": math.log(2.0), "errors": 0.01}


def tally(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Tally:
    return Tally(len(values), float(values.sum()), float((values**2).sum()))


def decided(
    seed: int, most: int, candidate: Mapping[str, float] = LIKE_BEFORE, *, promotes: bool = True
) -> tuple[Decision, int]:
    """What is decided of a candidate that is looked at after every conversation, and after how many."""
    rng = np.random.default_rng(seed)
    tallies: dict[tuple[Arm, Measure], Tally] = {}
    sides: dict[Arm, dict[str, float]] = {"control": LIKE_BEFORE, "candidate": LIKE_BEFORE | dict(candidate)}
    for number in range(1, most + 1):
        arm: Arm = "candidate" if rng.random() < 0.5 else "control"
        side = sides[arm]
        statements = int(rng.integers(1, 7))
        seen: dict[Measure, float] = {
            "errors": float(rng.random() < side["errors"]),
            "latency": rng.normal(side["latency"], 0.5),
            "groundedness": rng.binomial(statements, side["grounded"]) / statements,
        }
        for measure, value in seen.items():
            tallies[arm, measure] = tallies.get((arm, measure), Tally()).and_one(value)
        decision = judge(RELEASE, tallies, 0.0).decision
        if decision == "roll_back" or (promotes and decision == "promote"):
            return decision, number
    return "wait", most


def test_one_that_is_no_worse_is_rarely_taken_back_however_often_one_looks() -> None:
    runs = [decided(seed, 1_000, promotes=False)[0] for seed in range(40)]
    assert runs.count("roll_back") / len(runs) <= POLICY.alpha


def test_one_that_is_as_good_is_promoted() -> None:
    runs = [decided(seed, 8_000) for seed in range(5)]
    assert {decision for decision, _ in runs} == {"promote"}


@pytest.mark.parametrize(
    ("worse", "within"), [({"grounded": 0.72}, 6_000), ({"latency": math.log(4.0)}, 200), ({"errors": 0.2}, 1_000)]
)
def test_one_that_is_worse_is_found_out(worse: dict[str, float], within: int) -> None:
    runs = [decided(seed, within, worse) for seed in range(10)]
    assert {decision for decision, _ in runs} == {"roll_back"}


def test_one_that_is_better_is_no_harm() -> None:
    assert {decided(seed, 8_000, {"grounded": 0.95})[0] for seed in range(5)} == {"promote"}


def test_the_interval_holds_the_truth_at_every_look() -> None:
    outside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        control, candidate = rng.beta(2, 1, 1_500), rng.beta(2, 1, 1_500)
        sides = (Tally(), Tally())
        for one, other in zip(control, candidate, strict=True):
            sides = sides[0].and_one(one), sides[1].and_one(other)
            found = harm(*sides, higher_is_worse=True, span=1.0, scale=0.1, alpha=0.05)
            if not found.above <= 0.0 <= found.below:
                outside += 1
                break
    assert outside / 200 <= 0.05


@pytest.mark.parametrize(("rate", "share", "wrong"), [(0.035, 0.1, "fine"), (0.01, 0.9, "worse")])
def test_what_is_rare_is_not_taken_for_never(rate: float, share: float, wrong: str) -> None:
    """Of errors in one answer of a hundred the smaller side has seen none for long."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sides = (Tally(), Tally())
        said = ""
        for _ in range(3_000):
            tried = int(rng.random() < share)
            grown = sides[tried].and_one(float(rng.random() < (0.01, rate)[tried]))
            sides = (sides[0], grown) if tried else (grown, sides[1])
            bounds = harm(*sides, higher_is_worse=True, span=1.0, scale=0.04, alpha=0.05 / 6)
            said = "fine" if bounds.below < 0.02 else "worse" if bounds.above > 0 else ""
            if said:
                break
        found.append(said)
    assert found.count(wrong) <= 1


def test_nothing_is_said_of_few() -> None:
    few, many = tally(np.zeros(LEAST - 1)), tally(np.ones(1_000))
    found = harm(few, many, higher_is_worse=True, span=1.0, scale=0.1, alpha=0.05)
    assert (found.above, found.below) == (-math.inf, math.inf)


def test_sums_of_several_processes_add_up() -> None:
    values = np.random.default_rng(1).random(100)
    together = tally(values[:30]) + tally(values[30:])
    assert together.mean == pytest.approx(values.mean()) and together.variance == pytest.approx(values.var())


def test_what_nobody_rated_may_be_promoted_and_what_is_hated_may_not() -> None:
    good = {
        (arm, measure): tally(np.full(2_000, value))
        for arm in ("control", "candidate")
        for measure, value in (("errors", 0.0), ("latency", 0.5), ("groundedness", 0.9))
    }
    assert judge(RELEASE, good, 0.0).decision == "promote"  # type: ignore[arg-type]
    liked, hated = tally(np.ones(200)), tally(-np.ones(200))
    verdict = judge(RELEASE, good | {("control", "feedback"): liked, ("candidate", "feedback"): hated}, 0.0)  # type: ignore[arg-type]
    assert verdict.decision == "roll_back" and "feedback" in verdict.reasons[0]


def test_before_its_time_nothing_is_promoted() -> None:
    good = {
        (arm, measure): tally(np.full(2_000, 0.5))
        for arm in ("control", "candidate")
        for measure in ("errors", "latency", "groundedness")
    }
    soaking = Release("r1", policy=ReleasePolicy(soak_s=60.0), created_at=1_000.0)
    assert judge(soaking, good, 1_030.0).reasons == ("it has to run for another 30 s",)  # type: ignore[arg-type]
    assert judge(soaking, good, 1_060.0).decision == "promote"  # type: ignore[arg-type]
