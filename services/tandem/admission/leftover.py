"""How much of a pool the background may fill: less than slows anybody's first token."""

import math
import statistics

from tandem.admission.limit import AdaptiveLimit

# Of so many first tokens the median is looked at.
_WINDOW = 40
# The limit lets first tokens take twice what they take with room; the background leaves long before. Medians differ by
# chance, too: by less than so many standard errors.
_TOLERANCE = 1.15
_CHANCE = 3.0
_STEP = 0.04
_CUT = 0.85
# Windows from a cut to the next try of more, doubled with each one.
_RESTS = 4, 64


class Leftover:
    """As many as may run, those that people wait for among them, when one of them is to run in the background.

    Additive increase and multiplicative decrease below the pool's limit, on the same first tokens but with a much
    smaller tolerance, after the idea of scavenger transports (LEDBAT, RFC 6817): whoever takes what is left has to
    notice the queue in the model before those do whom it would hurt. And seldom: to find out costs them something.
    """

    def __init__(self, limit: AdaptiveLimit) -> None:
        self._limit = limit
        self._room = float(limit.value)
        self._peak = 0
        self._since_s = -math.inf
        self._seen: list[float] = []
        self._rests = _RESTS[0]
        self._resting = 0

    @property
    def value(self) -> int:
        """Requests at a time."""
        return int(min(self._limit.value, self._room))

    def begin(self, now_s: float) -> None:
        """From now on something runs in the background: first tokens of before tell nothing about it."""
        self._since_s = now_s

    def running(self, count: int) -> None:
        """So many run now: it grows only when it is reached."""
        self._peak = max(self._peak, count)

    def first_token(self, asked_s: float, now_s: float, *, beside: bool) -> None:
        """The first token of a request came that was asked then; `beside`: something runs in the background.

        When nothing does, slow first tokens are no reason to leave more free, but quick ones show what the pool can do.
        """
        baseline_s = self._limit.baseline_s
        if baseline_s is None or asked_s < self._since_s:
            return
        self._seen.append(math.log(max(1e-6, now_s - asked_s)))
        if len(self._seen) < _WINDOW:
            return
        # The standard error of a median is a quarter more than that of a mean.
        error = 1.25 * statistics.stdev(self._seen) / math.sqrt(_WINDOW)
        excess = statistics.median(self._seen) - math.log(baseline_s)
        if excess > max(math.log(_TOLERANCE), _CHANCE * error):
            if beside:
                self._fall(now_s)
        elif self._resting:
            self._resting -= 1
        elif self._peak >= self.value:
            self._room = min(self._room + max(1.0, _STEP * self._room), float(self._limit.value))
            self._since_s = now_s
        self._seen, self._peak = [], 0

    def _fall(self, now_s: float) -> None:
        self._room = max(1.0, _CUT * min(self._room, self._peak))
        self._rests = min(2 * self._rests, _RESTS[1])
        self._resting = self._rests
        self._since_s = now_s
