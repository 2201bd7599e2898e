"""Whether people ask about something else than they did: the questions of a day against those of the week before.

Of each hour the sum of its questions' embeddings is kept, never a question. The measure is the cosine distance between the
centroids of both windows. A centroid of few questions is longer than that of many, and two samples of the same questions
would seem apart for that alone; so lengths are taken without the share that chance adds: for unit vectors the expected square
of a mean's length is m + (1 - m) / n, which is solved for m.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tandem.ports.clock import Clock

Vector = npt.NDArray[np.float32]
RECENT_HOURS = 24
BEFORE_HOURS = 7 * 24
# Fewer say nothing.
LEAST = 50
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Hour:
    """How many questions, and the sum of their embeddings."""

    questions: int
    total: Vector


@dataclass(frozen=True, slots=True)
class Drift:
    """Cosine distance 0…2 between the questions of the last day and of the week before; NaN while either has too few."""

    distance: float
    recent: int
    before: int


class Questions:
    """The questions of the last eight days, by the hour. `hours` are those that are known already."""

    def __init__(self, clock: Clock, hours: Mapping[int, Hour] | None = None) -> None:
        self._clock = clock
        self._hours = dict(hours or {})
        self._forget()

    @property
    def hours(self) -> Mapping[int, Hour]:
        """Hours since 1970 in UTC, and what was asked in them."""
        return self._hours

    def asked(self, vectors: Sequence[Sequence[float]]) -> None:
        """Unit vectors of questions that came now."""
        hour = self._now()
        total = np.sum(np.asarray(vectors, dtype=np.float32), axis=0)
        if any(each.total.shape != total.shape for each in self._hours.values()):
            # Another model under the same name: what was is no measure of what is.
            self._hours = {}
        known = self._hours.get(hour)
        if known is None:
            self._hours[hour] = Hour(len(vectors), total)
            self._forget()
        else:
            self._hours[hour] = Hour(known.questions + len(vectors), known.total + total)

    def drift(self) -> Drift:
        """As of now."""
        now = self._now()
        recent = self._window(now - RECENT_HOURS, now)
        before = self._window(now - RECENT_HOURS - BEFORE_HOURS, now - RECENT_HOURS)
        return Drift(_distance(recent, before), recent.questions, before.questions)

    def _window(self, after: int, until: int) -> Hour:
        hours = [each for at, each in self._hours.items() if after < at <= until]
        if not hours:
            return Hour(0, np.zeros(0, np.float32))
        return Hour(sum(each.questions for each in hours), np.sum([each.total for each in hours], axis=0))

    def _now(self) -> int:
        return int(self._clock.epoch_s() // _HOUR_S)

    def _forget(self) -> None:
        oldest = self._now() - RECENT_HOURS - BEFORE_HOURS
        self._hours = {at: each for at, each in self._hours.items() if at > oldest}


def _distance(one: Hour, other: Hour) -> float:
    if min(one.questions, other.questions) < LEAST or one.total.shape != other.total.shape:
        return math.nan
    lengths = _squared(one) * _squared(other)
    if lengths <= 0.0:
        # Nothing in common even among themselves: there is no direction to compare.
        return math.nan
    dot = float(one.total @ other.total) / (one.questions * other.questions)
    return min(2.0, max(0.0, 1.0 - dot / math.sqrt(lengths)))


def _squared(window: Hour) -> float:
    """The square of the centroid's length, without what chance adds."""
    mean = float(window.total @ window.total) / window.questions**2
    return (window.questions * mean - 1.0) / (window.questions - 1)
