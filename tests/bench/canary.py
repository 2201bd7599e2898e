"""How long a release is tried until it is known to be worse, or good enough; and how often a good one is taken back.

Simulated conversations, looked at after each one, as nobody could more often. A conversation has an answer of one to six
statements (groundedness is the share that is supported), a log-normal latency, an error or abstention now and then, and an
opinion in one of twenty. Decided by `pipeline/releases/judging.py` as gateways do.
"""

import argparse
import json
import math
from dataclasses import dataclass
from statistics import quantiles

import numpy as np

from tandem.domain.release import Arm, Measure, Release, ReleasePolicy, Tally
from tandem.pipeline.releases.judging import Decision, judge

POLICY = ReleasePolicy(soak_s=0.0)
_SPREAD = 0.5


@dataclass(frozen=True)
class Traffic:
    """What one side's answers are like."""

    grounded: float = 0.8
    cited: float = 0.85
    latency_s: float = 2.0
    errors: float = 0.01
    abstained: float = 0.08


@dataclass(frozen=True)
class Run:
    """How one trial ended, after so many conversations on both sides together."""

    decision: Decision
    conversations: int


def trial(rng: np.random.Generator, candidate: Traffic, *, weight: float, most: int, stop: bool = True) -> Run:
    """With `stop` a promotion ends it as well; without, it goes on to look for a false alarm."""
    sides: dict[Arm, Traffic] = {"control": Traffic(), "candidate": candidate}
    tallies: dict[tuple[Arm, Measure], Tally] = {}
    release = Release("trial", weight=weight, policy=POLICY)
    for number, chance in enumerate(rng.random(most), 1):
        arm: Arm = "candidate" if chance < weight else "control"
        for measure, value in _conversation(rng, sides[arm]).items():
            tallies[arm, measure] = tallies.get((arm, measure), Tally()).and_one(value)
        decision = judge(release, tallies, 0.0).decision
        if decision == "roll_back" or (stop and decision == "promote"):
            return Run(decision, number)
    return Run("wait", most)


def _conversation(rng: np.random.Generator, side: Traffic) -> dict[Measure, float]:
    if rng.random() < side.errors:
        return {"errors": 1.0}
    seen: dict[Measure, float] = {
        "errors": 0.0,
        "latency": rng.normal(math.log(side.latency_s), _SPREAD),
        "abstained": float(rng.random() < side.abstained),
    }
    if not seen["abstained"]:
        statements = int(rng.integers(1, 7))
        # Answers are good or bad as a whole, more than their statements are by themselves.
        seen["groundedness"] = (
            rng.binomial(statements, rng.beta(3 * side.grounded, 3 * (1 - side.grounded))) / statements
        )
        seen["citation_coverage"] = (
            rng.binomial(statements, rng.beta(3 * side.cited, 3 * (1 - side.cited))) / statements
        )
    if rng.random() < 0.05:
        seen["feedback"] = rng.choice([-1.0, 1.0], p=[0.3, 0.7])
    return seen


WORSE = {
    "groundedness_10_percent": Traffic(grounded=0.72),
    "latency_twice": Traffic(latency_s=4.0),
    "errors_one_in_ten": Traffic(errors=0.1),
}


def _print(name: str, value: float, goal: str | None = None, *, ok: bool = True) -> bool:
    print(json.dumps({"name": name, "value": round(value, 4), "goal": goal, "ok": ok}), flush=True)
    return ok


def main(runs: int) -> int:
    """Print every figure; 1 when a goal is missed."""
    good = True
    for weight in (0.1, 0.5):
        rng = np.random.default_rng(20_240_501)
        label = f"weight_{weight:g}"
        alarms = [trial(rng, Traffic(), weight=weight, most=5_000, stop=False) for _ in range(runs)]
        share = sum(each.decision == "roll_back" for each in alarms) / runs
        good &= _print(f"{label}_false_alarms_in_5000", share, "<= 0.05", ok=share <= POLICY.alpha)
        passed = [trial(rng, Traffic(), weight=weight, most=60_000) for _ in range(max(10, runs // 10))]
        _print(f"{label}_as_good_promoted", sum(each.decision == "promote" for each in passed) / len(passed))
        _print(f"{label}_as_good_median_conversations", _percentile(passed, 50))
        for name, traffic in WORSE.items():
            found = [trial(rng, traffic, weight=weight, most=60_000) for _ in range(max(20, runs // 5))]
            caught = sum(each.decision == "roll_back" for each in found) / len(found)
            good &= _print(f"{label}_{name}_caught", caught, ">= 0.95", ok=caught >= 0.95)
            _print(f"{label}_{name}_median_conversations", _percentile(found, 50))
            _print(f"{label}_{name}_p90_conversations", _percentile(found, 90))
    return 0 if good else 1


def _percentile(runs: list[Run], percent: int) -> float:
    return quantiles([each.conversations for each in runs], n=100)[percent - 1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--json", action="store_true", help="Accepted for the sake of the others; it always prints JSON."
    )
    parser.add_argument("--runs", type=int, default=200, help="Trials that look for false alarms.")
    raise SystemExit(main(parser.parse_args().runs))
