"""What a first token takes when nothing stands in its way, learned from what first tokens take."""

import math

from tandem.admission.window import Reading

_FEWEST, _MOST = 5, 40
# A window's median is then three standard errors away from looking twice as slow by chance.
_CERTAINTY = 5.0
_FIRST_SPREAD = 0.4
_FALL = 0.75
_FALL_AFTER = 2


class Baseline:
    """A latency is too long over `tolerance` times the baseline plus `slack_s`, which covers this process's own jitter.

    The baseline falls when windows are clearly below it. It rises only on what was seen with room to spare: when the
    limit is reached, long latencies may be the limit's own doing, and a baseline that follows them would let it rise
    for ever.
    """

    def __init__(self, tolerance: float, slack_s: float) -> None:
        self._tolerance = tolerance
        self._slack_s = slack_s
        self._spread = _FIRST_SPREAD
        self._lower = 0
        self.latency_s: float | None = None

    @property
    def threshold_s(self) -> float:
        """The longest latency that is not too long."""
        return math.inf if self.latency_s is None else self._tolerance * self.latency_s + self._slack_s

    @property
    def window(self) -> int:
        """How many first tokens are needed to tell, given how much they differ."""
        needed = (_CERTAINTY * self._spread / math.log(self._tolerance)) ** 2
        return min(_MOST, max(_FEWEST, math.ceil(needed)))

    def learn(self, reading: Reading, *, with_room: bool) -> None:
        """From a window that was not too slow; `with_room` when half of the limit was enough for it."""
        self._spread += 0.1 * (reading.spread - self._spread)
        if self.latency_s is None:
            self.latency_s = reading.median_s
        self._lower = self._lower + 1 if reading.median_s < _FALL * self.latency_s else 0
        if self._lower >= _FALL_AFTER:
            self._towards(reading.median_s, 0.5)
        elif with_room:
            self._towards(reading.median_s, 0.25)

    def probed(self, reading: Reading, before_s: float) -> bool:
        """From a window at half the limit; `before_s` was the median at the whole. True when little has changed."""
        known_s = reading.median_s if self.latency_s is None else self.latency_s
        if not follows(reading.median_s, before_s):
            # Twice as long at most: the server may have lost capacity just now.
            self._towards(min(reading.median_s, 2 * known_s), 0.5)
        else:
            self.latency_s = min(reading.median_s, known_s)
        return self.latency_s is not None and abs(math.log(self.latency_s / known_s)) < 0.3

    def reset(self, latency_s: float) -> None:
        """It is this now, whatever was known."""
        self.latency_s = latency_s

    def _towards(self, latency_s: float, share: float) -> None:
        if self.latency_s is not None:
            self.latency_s += share * (latency_s - self.latency_s)


def follows(latency_s: float, before_s: float) -> bool:
    """True when half the limit brought `latency_s` clearly below `before_s`: the latency is the limit's doing."""
    return latency_s < 0.8 * before_s
