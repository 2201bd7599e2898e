"""How many retries all requests together may cost, and how long to pause before one."""

from collections.abc import Callable

_MOST = 10.0
_LONGEST_PAUSE_S = 2.0


class RetryBudget:
    """Every request earns `share` of a retry, every retry spends one: an outage is not answered with twice the load.

    At most ten retries are saved up; it begins with one, so that a lone request may have a second try. The method is
    that of Finagle's RetryBudget and of the SRE book's chapter "Handling Overload" (retries at 10 % of requests).
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._saved = 1.0 if share > 0 else 0.0

    @property
    def saved(self) -> float:
        """Retries that may be spent now."""
        return self._saved

    def earn(self) -> None:
        """A request came."""
        self._saved = min(_MOST, self._saved + self._share)

    def spend(self) -> bool:
        """Takes one retry; False when there is none."""
        # Ten tenths are a little less than one in floating point.
        if self._saved < 1.0 - 1e-9:
            return False
        self._saved = max(0.0, self._saved - 1.0)
        return True


def pause_s(attempt: int, *, base_s: float, random: Callable[[], float]) -> float:
    """Seconds before the `attempt`-th retry (from 1): uniform between nothing and a doubling bound of at most 2 s.

    "Full jitter", after Brooker, Exponential Backoff and Jitter (AWS Architecture Blog, 2015).
    """
    bound_s: float = min(_LONGEST_PAUSE_S, base_s * 2.0 ** (attempt - 1))
    return random() * bound_s
