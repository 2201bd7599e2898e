"""How many retries all requests together may cost, and how long to pause before one."""

from collections.abc import Callable

from tandem.ports.clock import Clock

_MOST = 10.0
_FLOOR_PER_S = 0.1
_LONGEST_PAUSE_S = 2.0


class RetryBudget:
    """Every request earns `share` of a retry, every retry spends one: an outage is not answered with twice the load.

    One more is earned every ten seconds, so that a service with few requests can retry at all; at most ten are saved
    up, and it begins with one. The method is that of Finagle's RetryBudget and of the SRE book's chapter "Handling
    Overload" (retries at 10 % of requests).
    """

    def __init__(self, share: float, clock: Clock) -> None:
        self._share = share
        self._clock = clock
        self._saved = 1.0
        self._since_s = clock.monotonic_s()

    def earn(self) -> None:
        """A request came."""
        self._saved = min(_MOST, self._saved + self._share)

    def spend(self) -> bool:
        """Takes one retry; False when there is none."""
        now_s = self._clock.monotonic_s()
        self._saved = min(_MOST, self._saved + (now_s - self._since_s) * _FLOOR_PER_S)
        self._since_s = now_s
        # Ten tenths are a little less than one in floating point.
        if self._share <= 0 or self._saved < 1.0 - 1e-9:
            return False
        self._saved = max(0.0, self._saved - 1.0)
        return True


def pause_s(attempt: int, *, base_s: float, random: Callable[[], float]) -> float:
    """Seconds before the `attempt`-th retry (from 1): uniform between nothing and a doubling bound of at most 2 s.

    "Full jitter", after Brooker, Exponential Backoff and Jitter (AWS Architecture Blog, 2015).
    """
    bound_s: float = min(_LONGEST_PAUSE_S, base_s * 2.0 ** (attempt - 1))
    return random() * bound_s
