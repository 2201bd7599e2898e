"""A handful of requests that were asked for under one limit, and what their first tokens say together."""

import math
from dataclasses import dataclass

# A normal distribution's quartile, in standard deviations.
_QUARTILE = 0.6745
_MOST_SPREAD = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """`median_s` is the median time to the first token, `spread` the standard deviation of its logarithm.

    `given_up` of them are no first tokens but waits for one that were given up; `at_least`: the median is such a wait.
    """

    median_s: float
    spread: float
    given_up: int = 0
    at_least: bool = False


class Window:
    """The first `size` requests that are asked after `skip` others.

    Who is in it is settled when requests are asked, not when they are answered: the quickest answers come first, and a
    window of those would flatter the server. It is read when three quarters have answered; the others count as slower.
    """

    def __init__(self, size: int, skip: int) -> None:
        self._size = size
        self._skip = skip
        self._asked = 0
        self._latencies_s: list[float] = []
        self._given_up_s: list[float] = []

    def ask(self) -> bool:
        """One more request is asked; True when it belongs to the window."""
        if self._skip:
            self._skip -= 1
            return False
        if self._asked == self._size:
            return False
        self._asked += 1
        return True

    def drop(self) -> None:
        """One that belongs to it will have no first token; another one takes its place."""
        self._asked -= 1

    def add(self, latency_s: float) -> Reading | None:
        """A first token of one that belongs to it. The reading, when this was the last one that it takes."""
        self._latencies_s.append(max(latency_s, 1e-6))
        return self._reading()

    def give_up(self, waited_s: float) -> Reading | None:
        """One that belongs to it had no first token for so long, and will have none. The reading, as `add`."""
        self._latencies_s.append(waited_s)
        self._given_up_s.append(waited_s)
        return self._reading()

    def _reading(self) -> Reading | None:
        if len(self._latencies_s) < self._size - self._size // 4:
            return None
        ordered = sorted(self._latencies_s)
        median_s, quartile_s = ordered[self._size // 2], ordered[self._size // 4]
        spread = min(_MOST_SPREAD, math.log(median_s / quartile_s) / _QUARTILE)
        return Reading(median_s, spread, len(self._given_up_s), at_least=median_s in self._given_up_s)
