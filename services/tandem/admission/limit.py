"""How many requests a predictor pool serves at a time: what its first tokens say that it can."""

import statistics

from tandem.admission.baseline import Baseline
from tandem.ports.clock import Clock

_STEP = 1.0
_BACKOFF = 0.9
_START = 1.5
_MOST_SAMPLES = 10


class AdaptiveLimit:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989) on the time to the first token.

    A window is a handful of first tokens that were asked for under the present limit. When their median is over
    `tolerance` times the learned baseline plus `slack_s`, the limit is cut; when it is not, and the limit was reached
    meanwhile, it grows. `least` equal to `most` is a fixed limit.
    """

    def __init__(
        self,
        *,
        initial: int,
        least: int,
        most: int,
        clock: Clock,
        tolerance: float = 2.0,
        slack_s: float = 0.02,
    ) -> None:
        self._limit = float(min(max(initial, least), most))
        self._least = least
        self._most = most
        self._clock = clock
        self._tolerance = tolerance
        self._slack_s = slack_s
        self._baseline = Baseline()
        self._window: list[float] = []
        self._changed_s = float("-inf")
        self._peak = 0
        self._starting = True

    @property
    def value(self) -> int:
        """Requests at a time."""
        return int(self._limit)

    @property
    def baseline_s(self) -> float | None:
        """What a first token takes at best, in seconds; None before the first one."""
        return self._baseline.latency_s

    def running(self, count: int) -> None:
        """So many run now: the limit grows only when it is reached."""
        self._peak = max(self._peak, count)

    def first_token(self, asked_s: float) -> None:
        """One came now that was asked for at `asked_s`."""
        now_s = self._clock.monotonic_s()
        latency_s = max(0.0, now_s - asked_s)
        self._baseline.add(latency_s, now_s)
        if asked_s < self._changed_s:
            return  # It tells of another limit.
        self._window.append(latency_s)
        if len(self._window) >= min(_MOST_SAMPLES, max(1, self.value // 2)):
            self._decide(now_s)

    def pushed_back(self, asked_s: float) -> None:
        """The server had no room for a request asked for at `asked_s`."""
        if asked_s >= self._changed_s:
            self._cut(self._clock.monotonic_s())

    def _decide(self, now_s: float) -> None:
        if statistics.median(self._window) > self._tolerance * (self._baseline.latency_s or 0.0) + self._slack_s:
            self._cut(now_s)
        elif self._peak >= self.value:
            self._set(self._limit * _START if self._starting else self._limit + _STEP, now_s)
        else:
            self._window.clear()

    def _cut(self, now_s: float) -> None:
        self._starting = False
        self._set(min(self._limit * _BACKOFF, self._limit - 1), now_s)

    def _set(self, limit: float, now_s: float) -> None:
        self._limit = min(max(limit, self._least), self._most)
        self._changed_s = now_s
        self._window.clear()
        self._peak = 0
