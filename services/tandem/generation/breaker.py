"""One endpoint's breaker: after failures in a row nobody asks it for a while, then one request tries again."""

from enum import StrEnum

from tandem.ports.clock import Clock

_LONGEST = 12.0


class BreakerState(StrEnum):
    """closed: requests pass; open: none does; half_open: one does, to see."""

    closed = "closed"
    open = "open"
    half_open = "half_open"


class Breaker:
    """Opens after `failures` in a row for `open_s`, which doubles with every failed try, up to twelve times as long.

    The pattern is Nygard's circuit breaker (Release It!, 2007).
    """

    def __init__(self, *, failures: int, open_s: float, clock: Clock) -> None:
        self._threshold = failures
        self._first_open_s = open_s
        self._clock = clock
        self._failures = 0
        self._open_s = open_s
        self._opened_s: float | None = None
        self._failed_s = self._spoke_s = float("-inf")
        self._trial: Attempt | None = None

    @property
    def state(self) -> BreakerState:
        """Now."""
        if self._opened_s is None:
            return BreakerState.closed
        return BreakerState.open if self.opens_in_s > 0 else BreakerState.half_open

    @property
    def opens_in_s(self) -> float:
        """Until a request may try; 0 when one may now."""
        if self._opened_s is None:
            return 0.0
        return max(0.0, self._opened_s + self._open_s - self._clock.monotonic_s())

    @property
    def suspect(self) -> bool:
        """It failed a moment ago: whoever has another endpoint takes that one."""
        return self._failures > 0 and self._clock.monotonic_s() - self._failed_s < self._first_open_s

    @property
    def admits(self) -> bool:
        """Whether a request may go to the endpoint now."""
        state = self.state
        return state is BreakerState.closed or (state is BreakerState.half_open and self._trial is None)

    def enter(self) -> "Attempt":
        """A request goes to the endpoint; it says through what this returns how it went."""
        attempt = Attempt(self, self._clock.monotonic_s())
        if self._opened_s is not None:
            self._trial = attempt
        return attempt

    def reset(self) -> None:
        """The endpoint is known to be well."""
        self._failures = 0
        self._open_s = self._first_open_s
        self._opened_s = None
        self._trial = None

    def _fails(self, attempt: "Attempt") -> None:
        self._failed_s = self._clock.monotonic_s()
        if self._opened_s is None:
            self._failures += 1
            if self._failures >= self._threshold:
                self._opened_s = self._clock.monotonic_s()
        elif self._trial is attempt:
            # Only the trial counts: what began before the breaker opened is no news.
            self._trial = None
            self._open_s = min(self._open_s * 2, self._first_open_s * _LONGEST)
            self._opened_s = self._clock.monotonic_s()

    def _speaks(self) -> None:
        self._spoke_s = self._clock.monotonic_s()
        if self.state is not BreakerState.closed:
            self.reset()

    def _ends(self, attempt: "Attempt") -> None:
        if self._trial is attempt:
            self._trial = None


class Attempt:
    """One request at the endpoint: `spoke` at the first token, then `succeeded` or `failed`; `ended` in any case."""

    __slots__ = ("_began_s", "_breaker")

    def __init__(self, breaker: Breaker, began_s: float) -> None:
        self._breaker = breaker
        self._began_s = began_s

    def spoke(self) -> None:
        """The first token came. That closes an open breaker; a row of failures ends only with a whole answer."""
        self._breaker._speaks()  # noqa: SLF001 - the two are one thing in two halves

    def succeeded(self) -> None:
        """It was answered whole, or refused for its own fault."""
        self._breaker.reset()

    def failed(self) -> None:
        """It was not."""
        self._breaker._fails(self)  # noqa: SLF001

    def silent(self) -> None:
        """Nobody waits any more, long after a first token should have come: a failure, unless others were told one since."""
        if self._breaker._spoke_s <= self._began_s:  # noqa: SLF001
            self.failed()

    def ended(self) -> None:
        """It is over; without a verdict before, the next one may try."""
        self._breaker._ends(self)  # noqa: SLF001
