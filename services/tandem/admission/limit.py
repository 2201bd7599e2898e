"""How many requests a predictor pool serves at a time: what its first tokens say that it can."""

import math
from dataclasses import dataclass

from tandem.admission.baseline import Baseline, follows
from tandem.admission.window import Reading, Window
from tandem.ports.clock import Clock

NO_TICKET = 0

_START = 1.25
_STEP = 0.04
_CUT = 0.9
_DEEPEST_CUT = 0.5
_SEVERE = 2.5
_HALF = 0.5
_PROBE_RESTS = 2.0, 100.0
_CAREFUL_WINDOWS = 8
_NEAR = 0.05
_UNKNOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class _Probe:
    """A look at half the limit: what limit and median were before it, and when it began."""

    limit: float
    median_s: float
    began_s: float


@dataclass(frozen=True, slots=True)
class _Mark:
    """A limit and the latency that went with it, to compare with once the limit has halved."""

    limit: float
    latency_s: float


class AdaptiveLimit:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989) on the time to the first token.

    After each window of requests that were asked under the present limit it is cut to 0.9 when their median is too long
    (to the root of threshold over median, 0.5 at least, when it is 2.5 times too long), or grows by 4 %, by 1 at least,
    when it was reached meanwhile; by 25 % until the first cut. A 429 cuts it too; near a limit that a 429 has shown a
    step takes eight windows, since each one too many costs a refused request.

    Half the limit is tried now and then, for about one percent of the time: that shows what a first token takes with
    room, as BBR's probe of the round-trip time does (Cardwell et al., 2016). When cuts to a half have not made first
    tokens faster, it is not the load that slows them, and the limit returns with a new baseline.

    `tests/bench/limits.py` is by what the family and its numbers were chosen, against Vegas and gradient2.
    `least` equal to `most` is a fixed limit.
    """

    def __init__(
        self,
        *,
        initial: int,
        least: int,
        most: int,
        clock: Clock,
        tolerance: float = 2.0,
        slack_s: float = 0.01,
    ) -> None:
        self._limit = float(min(max(initial, least), most))
        self._least = least
        self._most = most
        self._clock = clock
        self._baseline = Baseline(tolerance, slack_s)
        self._number = 0
        self._peak = 0
        self._window = Window(0, 0)
        self._starting = True
        self._usual_s: float | None = None
        self._mark: _Mark | None = None
        self._stubborn = 0
        self._refused_at = math.inf
        self._careful = 0
        self._probe: _Probe | None = None
        self._probe_rest = _PROBE_RESTS[0]
        self._probe_after_s = clock.monotonic_s()
        self._open(0)

    @property
    def value(self) -> int:
        """Requests at a time."""
        return int(self._limit)

    @property
    def fixed(self) -> bool:
        """True when it never changes."""
        return self._least == self._most

    @property
    def baseline_s(self) -> float | None:
        """What a first token takes with room, in seconds; None before the first window."""
        return self._baseline.latency_s

    def running(self, count: int) -> None:
        """So many run now: the limit grows only when it is reached."""
        self._peak = max(self._peak, count)

    def asked(self) -> int:
        """A request goes to the pool. The ticket is to be handed in with what became of it."""
        return self._number if self._window.ask() else -self._number

    def lost(self, ticket: int, after_s: float = 0.0) -> None:
        """The request of this ticket ended without a first token, `after_s` after it was asked for.

        When that is too long for a first token it counts as one that took longer: those who get theirs in time before
        they leave would flatter a server that is overloaded.
        """
        if ticket != self._number:
            return
        threshold_s = _UNKNOWN_S if self._baseline.latency_s is None else self._baseline.threshold_s
        if after_s <= threshold_s or self.fixed:
            self._window.drop()
            return
        self._take(self._window.give_up(after_s))

    def first_token(self, ticket: int, latency_s: float) -> None:
        """The first token came, `latency_s` after it was asked for."""
        if ticket != self._number or self.fixed:
            return
        self._take(self._window.add(latency_s))

    def pushed_back(self, ticket: int) -> None:
        """The pool had no room for the request of this ticket."""
        if abs(ticket) != self._number or self.fixed:
            return
        if self._probe is not None:
            self._limit, self._probe = self._probe.limit, None
        self._refused_at, self._careful = self._limit, 0
        self._cut(_CUT)

    def _take(self, reading: Reading | None) -> None:
        if reading is None:
            return
        if reading.at_least:
            # How slow it is cannot be told, so nothing can be compared with it: there is too much, or a server is mute.
            self._mark = None
            if self._probe is not None:
                self._limit, self._probe = self._probe.limit, None
            self._cut(_DEEPEST_CUT)
        elif self._probe is not None:
            self._conclude(self._probe, reading)
        else:
            self._decide(reading)

    def _decide(self, reading: Reading) -> None:
        threshold_s, median_s = self._baseline.threshold_s, reading.median_s
        severe = median_s > _SEVERE * threshold_s
        usual_s = median_s if self._usual_s is None or severe else self._usual_s
        self._usual_s = math.exp(math.log(usual_s) + 0.4 * math.log(median_s / usual_s))
        if median_s > threshold_s:
            if reading.given_up or not self._is_elsewhere(self._usual_s, threshold_s):
                self._cut(max(_DEEPEST_CUT, math.sqrt(threshold_s / median_s)) if severe else _CUT)
            return
        self._baseline.learn(reading, with_room=self._peak <= _HALF * self.value)
        if self._peak < self.value:
            self._open(0)
        elif self._clock.monotonic_s() >= self._probe_after_s and self.value > self._least:
            self._begin_probe(median_s)
        else:
            self._grow(self._usual_s)

    def _grow(self, usual_s: float) -> None:
        if self._mark is None or self._limit >= self._mark.limit:
            self._mark = _Mark(self._limit, usual_s)
        if self._starting:
            self._set(self._limit * _START)
            return
        grown = self._limit + max(1.0, _STEP * self._limit)
        if grown > self._refused_at * (1 - _NEAR):
            self._careful += 1
            if self._careful < _CAREFUL_WINDOWS:
                self._open(0)
                return
            self._careful = 0
            if self._limit > self._refused_at * (1 + _NEAR):
                self._refused_at = math.inf
        self._set(grown)

    def _cut(self, factor: float) -> None:
        self._starting = False
        self._set(min(self._limit * factor, self._limit - 1))

    def _is_elsewhere(self, usual_s: float, threshold_s: float) -> bool:
        """True when halving the limit has not helped; the limit is back then, over a new baseline."""
        mark = self._mark
        if mark is None or self._limit > mark.limit:
            self._mark = _Mark(self._limit, usual_s)
            return False
        if self._limit > _HALF * mark.limit:
            return False
        self._mark = _Mark(self._limit, usual_s)
        if follows(usual_s, mark.latency_s):
            self._stubborn = 0
            return False
        self._stubborn += 1
        # Far too long may still be a queue that builds up after a loss of capacity: that takes a second look.
        if usual_s > 1.5 * threshold_s and self._stubborn < 2:
            return False
        self._stubborn, self._mark = 0, None
        self._baseline.reset(usual_s)
        self._probe_rest, self._probe_after_s = _PROBE_RESTS[0], self._clock.monotonic_s()
        self._set(mark.limit)
        return True

    def _begin_probe(self, median_s: float) -> None:
        self._probe = _Probe(self._limit, median_s, self._clock.monotonic_s())
        self._set(self._limit * _HALF, windows=2)

    def _conclude(self, probe: _Probe, reading: Reading) -> None:
        """Back to the limit before; the next probe comes after a rest of many times what this one took."""
        self._probe = None
        now_s = self._clock.monotonic_s()
        rest, longest = _PROBE_RESTS
        same = self._baseline.probed(reading, probe.median_s)
        self._probe_rest = min(longest, 2 * self._probe_rest) if same else rest
        self._probe_after_s = now_s + self._probe_rest * (now_s - probe.began_s)
        self._set(probe.limit)

    def _set(self, limit: float, *, windows: int = 1) -> None:
        was = self.value
        self._limit = min(max(limit, self._least), self._most)
        # Requests that fill new room come all at once, and wait for each other.
        self._open(max(0, self.value - was), windows)

    def _open(self, skip: int, windows: int = 1) -> None:
        self._number += 1
        self._window = Window(min(40, windows * self._baseline.window), skip)
        self._peak = 0
