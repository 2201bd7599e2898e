"""How much of a pool the background may fill: less than slows anybody's first token."""

import math
import statistics

from tandem.admission.limit import AdaptiveLimit
from tandem.admission.slot import Slot
from tandem.admission.trials import LastPlace, Trials

# Of so many first tokens the median is looked at.
_WINDOW = 40
# The limit lets first tokens take twice what they take with room; the background leaves long before. Medians differ by
# chance, too: by less than so many standard errors.
_TOLERANCE = 1.15
_CHANCE = 3.0
_CUT = 0.85
# A limit is but a guess at first: people's as well, and they come one by one.
_START = 0.25
# Windows from when it was too much to the next try of more, doubled with each one.
_RESTS = 4, 64


class Leftover:
    """As many as may run, those that people wait for among them, when one of them is to run in the background.

    Additive increase and multiplicative decrease below the pool's limit, on the same first tokens but with a much
    smaller tolerance, after the idea of scavenger transports (LEDBAT, RFC 6817): whoever takes what is left has to
    notice the queue in the model before those do whom it would hurt. And seldom: to find out costs them something.

    As many as people had to themselves while first tokens were quick are well. More is tried by one request at a time,
    which leaves first when somebody comes. `tests/bench/yielding.py` is by what the numbers were chosen.
    """

    def __init__(self, limit: AdaptiveLimit) -> None:
        self._limit = limit
        self._room = float(limit.value) if limit.fixed else max(1.0, _START * limit.value)
        self._tried = self._room
        self._peak = 0
        self._since_s = -math.inf
        self._seen: list[float] = []
        self._among: list[int] = []
        self._beside = False
        self._trials = Trials()
        self._trial: Slot | None = None
        self._last_place = LastPlace()
        self._rests = _RESTS[0]
        self._resting = 0

    @property
    def value(self) -> int:
        """Requests at a time."""
        return int(min(self._limit.value, self._room))

    @property
    def settled(self) -> bool:
        """False while more is tried."""
        return self._resting > 0 or self._limit.fixed

    @property
    def entry(self) -> int:
        """Requests at a time with the next one of the background, which may be a trial."""
        tries = self._trial is None and not self.settled and self._trials.can_judge
        return min(self.value + tries, self._limit.value)

    def begin(self, now_s: float) -> None:
        """From now on something runs in the background: first tokens of before tell nothing about it."""
        self._since_s = now_s

    def taken(self, slot: Slot) -> None:
        """It runs from now on."""
        self._peak = max(self._peak, slot.among)
        if slot.claim.background and slot.among > self.value:
            self._trial = slot

    def freed(self, slot: Slot, now_s: float) -> None:
        """It runs no longer."""
        if slot is self._trial:
            self._trial = None
            self._conclude(self._trials.gave_up(now_s - slot.asked_s))

    def first_token(self, slot: Slot, now_s: float, *, beside: bool) -> None:
        """The first token of a request came; `beside`: something runs in the background.

        When nothing does, slow first tokens are no reason to leave more free, but quick ones show what the pool can do.
        """
        took_s = max(1e-6, now_s - slot.asked_s)
        if self._limit.baseline_s is None or slot.asked_s < self._since_s:
            return
        if slot is self._trial:
            self._trial = None
            self._conclude(self._trials.took(took_s))
            return
        if slot.claim.background:
            self._trials.other(took_s)
            if self._last_place.is_too_many(took_s, last=slot.among >= self.value):
                self._fall(self._room - self._trials.step(self._room), now_s)
        self._seen.append(math.log(took_s))
        self._among.append(slot.among)
        self._beside |= beside
        if len(self._seen) == _WINDOW:
            self._look(self._limit.baseline_s, now_s, beside=beside)
            self._seen, self._among, self._beside, self._peak = [], [], False, 0

    def _look(self, baseline_s: float, now_s: float, *, beside: bool) -> None:
        # The standard error of a median is a quarter more than that of a mean.
        error = 1.25 * statistics.stdev(self._seen) / math.sqrt(_WINDOW)
        excess = statistics.median(self._seen) - math.log(baseline_s)
        if excess > max(math.log(_TOLERANCE), _CHANCE * error):
            if beside:
                self._fall(_CUT * min(self._room, self._peak), now_s)
            return
        self._resting = max(0, self._resting - 1)
        if not self._beside:
            # With so many, or more, three quarters of them were asked.
            self._room = self._tried = max(self._room, sorted(self._among)[_WINDOW // 4])

    def _conclude(self, quick: bool | None) -> None:
        if quick is False:
            # The last step was longer than what was tried: it may have been too much already.
            self._room = min(self._room, self._tried)
            self._rest()
        elif quick:
            self._tried = self._room + 1
            self._room = min(self._room + self._trials.step(self._room), float(self._limit.value))

    def _fall(self, room: float, now_s: float) -> None:
        self._room = self._tried = max(1.0, room)
        self._since_s = now_s
        self._rest()

    def _rest(self) -> None:
        self._trials.ended()
        self._rests = min(2 * self._rests, _RESTS[1])
        self._resting = self._rests
