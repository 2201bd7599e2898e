"""Whether two means differ, by a test that may be looked at after every observation.

A confidence sequence: with probability 1 - alpha the true difference is inside at every look, however many there are and
whenever one stops. It is Robbins' normal mixture over the difference's information, the mixture SPRT of Johari et al. (2022)
turned into an interval, with variances estimated as in Waudby-Smith et al. (2024): asymptotic, so it says nothing before
`LEAST` observations on each side, and variances begin at that of one observation split between both ends of the range; a side
varies no less than both together.
Sums are all that it needs, so those of several processes add up.
"""

import math
from dataclasses import dataclass

from tandem.domain.release import Tally

LEAST = 20


@dataclass(frozen=True, slots=True)
class Harm:
    """How much worse the candidate is: the estimate, and what it is certainly above and below; infinite before `LEAST`."""

    estimate: float
    above: float = -math.inf
    below: float = math.inf


def harm(control: Tally, candidate: Tally, *, higher_is_worse: bool, span: float, scale: float, alpha: float) -> Harm:
    """`span` is the range of one observation, `scale` the difference at which the interval is to be tightest."""
    difference = (candidate.mean - control.mean) * (1.0 if higher_is_worse else -1.0)
    if min(control.count, candidate.count) < LEAST:
        return Harm(difference)
    # Of what is rare the smaller side has seen none yet, which is no sign that it has none.
    both = (control + candidate).variance
    spread = sum((max(each.variance, both) + span**2 / 4 / each.count) / each.count for each in (control, candidate))
    information, prior = 1 / spread, 1 / scale**2
    together = information + prior
    radius = spread * math.sqrt(together * (math.log(together / prior) + 2 * math.log(1 / alpha)))
    return Harm(difference, difference - radius, difference + radius)
