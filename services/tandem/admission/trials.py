"""Whether first tokens are slower with one more: of those that tried it, and of those that took the last place."""

import statistics
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

_USUAL = 40
_LEAST_USUAL = 10
_COMPARED = 20
# By chance, one comparison in some thousand says so.
_TOO_SLOW = 0.75


@dataclass(frozen=True, slots=True)
class _Phase:
    """`count` trials make room for `step` of it more, when they are slower than a part of `than` of the others at most.

    That part is a half, on the average, when they are no slower: it is the statistic of Mann and Whitney (1947).
    """

    count: int
    than: float
    step: float


# By chance, one in twenty says no of the first, one in fifty of the later ones.
_FIRST = _Phase(4, 0.74, 0.1)
_LATER = _Phase(16, 0.65, 0.04)


class Trials:
    """One at a time tries a place more than there is room for. It grows fast until they were slow for the first time."""

    def __init__(self) -> None:
        self._phase = _FIRST
        self._usual: deque[float] = deque(maxlen=_USUAL)
        self._places: list[float] = []

    @property
    def can_judge(self) -> bool:
        """True when it is known what the others take."""
        return len(self._usual) >= _LEAST_USUAL

    def step(self, room: float) -> float:
        """By how much trials that were quick enough raise it."""
        return max(1.0, self._phase.step * room)

    def other(self, took_s: float) -> None:
        """The first token of one that was no trial took so long."""
        self._usual.append(took_s)

    def took(self, took_s: float) -> bool | None:
        """So long the trial's first token took. True when they were quick enough, False when not; None: too few yet."""
        self._places.append(_place(took_s, self._usual))
        if len(self._places) < self._phase.count:
            return None
        quick = statistics.fmean(self._places) <= self._phase.than
        self._places = []
        return quick

    def gave_up(self, after_s: float) -> bool | None:
        """The trial ended without one. As `took` when it was slow by then: only the quick ones would be judged else."""
        return self.took(after_s) if _place(after_s, self._usual) > self._phase.than else None

    def ended(self) -> None:
        """There will be none for a while, and then carefully."""
        self._phase, self._places = _LATER, []


class LastPlace:
    """First tokens of those that took the last place, and of those that left one free, while both are seen.

    What waits in the model waits behind all: a place too many slows those that take it.
    """

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_COMPARED)
        self._others: deque[float] = deque(maxlen=_COMPARED)

    def is_too_many(self, took_s: float, *, last: bool) -> bool:
        """One more came; True when there is one place too many."""
        (self._last if last else self._others).append(took_s)
        if len(self._last) < _COMPARED or len(self._others) < _COMPARED:
            return False
        place = statistics.fmean(_place(each, self._others) for each in self._last)
        self._last.clear()
        self._others.clear()
        return place > _TOO_SLOW


def _place(took_s: float, others: Collection[float]) -> float:
    """The part of the others that was quicker."""
    return sum(each < took_s for each in others) / len(others)
