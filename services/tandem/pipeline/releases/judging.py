"""What becomes of a candidate, by its policy and what was measured of both sides so far."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tandem.domain.release import MARGINS, Measure, Release, Tallies, Tally
from tandem.pipeline.releases.sequential import Harm, harm

Decision = Literal["promote", "roll_back", "wait"]
_HIGHER_IS_WORSE = frozenset({"latency", "errors", "abstained"})
# Of one observation; latencies are compared by their logarithms.
_SPANS: Mapping[Measure, float] = {"feedback": 2.0}
# Few give their opinion: without it a release can be good all the same.
_OPTIONAL = frozenset({"feedback"})
# The interval is tightest for differences of so many margins.
_WIDEST = 2.0
_NOTHING = Tally()


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of both sides. `harm` is in the measure's unit, of latency a logarithm; `margin` likewise."""

    measure: Measure
    control: Tally
    candidate: Tally
    harm: Harm
    margin: float

    @property
    def fine(self) -> bool:
        """Certainly no worse than the margin allows."""
        return self.harm.below < self.margin

    @property
    def worse(self) -> bool:
        """Certainly worse, and maybe by more than the margin."""
        return self.harm.above > 0 and not self.fine

    @property
    def needed(self) -> bool:
        """It has to be fine before the release is let through: it is no matter of taste, and can be measured here."""
        return self.measure not in _OPTIONAL and (self.control.count > 0 or self.candidate.count > 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reasons` say what speaks against promotion; none when it is to be promoted."""

    decision: Decision
    reasons: tuple[str, ...]
    compared: tuple[Compared, ...]


def judge(release: Release, tallies: Tallies, now_s: float) -> Verdict:
    """`alpha` is shared out among the measures, so that it holds for the release as a whole."""
    compared = tuple(_compared(release, tallies))
    worse = [*_lost(release), *(_worse(each) for each in compared if each.worse)]
    if worse:
        return Verdict("roll_back", tuple(worse), compared)
    lacking = list(_lacking(release, compared, now_s))
    return Verdict("wait" if lacking else "promote", tuple(lacking), compared)


def _margin_of(release: Release, measure: Measure) -> float:
    """As it is compared."""
    told = release.policy.margins.get(measure, MARGINS[measure])
    return math.log(told) if measure == "latency" else told


def _compared(release: Release, tallies: Tallies) -> Iterator[Compared]:
    for measure in MARGINS:
        control, candidate = (tallies.get((arm, measure), _NOTHING) for arm in ("control", "candidate"))
        margin = _margin_of(release, measure)
        found = harm(
            control,
            candidate,
            higher_is_worse=measure in _HIGHER_IS_WORSE,
            span=_SPANS.get(measure, 1.0),
            scale=_WIDEST * margin,
            alpha=release.policy.alpha / len(MARGINS),
        )
        yield Compared(measure, control, candidate, found, margin)


def _lacking(release: Release, compared: Sequence[Compared], now_s: float) -> Iterator[str]:
    policy = release.policy
    everyone = next(each for each in compared if each.measure == "errors")
    fewer = min(everyone.control.count, everyone.candidate.count)
    if fewer < policy.least:
        yield f"{fewer} of {policy.least} conversations are in on each side"
    if policy.golden and (release.golden is None or not release.golden.complete):
        yield "its golden questions have not been asked"
    left_s = release.created_at + policy.soak_s - now_s
    if left_s > 0:
        yield f"it has to run for another {left_s:.0f} s"
    for each in compared:
        if each.needed and not each.fine:
            yield f"{each.measure} is not known to be within its margin yet"


def _lost(release: Release) -> Iterator[str]:
    """The questions are the same for both, and all are asked: there is nothing to wait for."""
    golden = release.golden
    if golden is not None and golden.complete and golden.drop > release.policy.max_drop:
        yield f"{golden.candidate} of {golden.questions} golden questions are answered, {golden.control} by what serves"


def _worse(each: Compared) -> str:
    if each.measure == "latency":
        return f"latency is at least {math.exp(each.harm.above):.2f} times the present one"
    return f"{each.measure} is worse by at least {each.harm.above:.3f} ({each.control.mean:.3f}, now {each.candidate.mean:.3f})"
