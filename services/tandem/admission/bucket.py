"""How a quota per minute is counted: a token bucket that holds one minute and refills steadily.

In any span of `s` seconds at most `limit + limit * s / 60` pass: one window's burst, and what refilled meanwhile.
(Token bucket as in Turner, "New Directions in Communications", 1986; the shared store's scripts do the same sums.)
"""

import math
from dataclasses import dataclass

from tandem.domain.quota import Level

WINDOW_S = 60.0
# A client that waits exactly as long as it was told must pass, whatever rounding made of the fraction.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Bucket:
    """`used` of the window's `limit` at the instant `at_s`."""

    limit: int
    used: float = 0.0
    at_s: float = 0.0

    def at(self, now_s: float) -> "Bucket":
        """The same after refilling until `now_s`. A clock that went back refills nothing, and holds nothing up."""
        drained = max(0.0, now_s - self.at_s) * self.limit / WINDOW_S
        return Bucket(self.limit, max(0.0, self.used - drained), now_s)

    def limited(self, limit: int) -> "Bucket":
        """The same under a limit that was changed: what was used stays used, up to the whole of it."""
        return Bucket(limit, min(self.used, limit), self.at_s)

    def wait_s(self, amount: int) -> float:
        """Until `amount` (at most the limit) would be there; 0 when it is."""
        missing = self.used + amount - self.limit
        return missing * WINDOW_S / self.limit if missing > _ROUNDING else 0.0

    def take(self, amount: int) -> "Bucket":
        """Less `amount`; never below empty."""
        return Bucket(self.limit, min(float(self.limit), self.used + amount), self.at_s)

    def give(self, amount: int) -> "Bucket":
        """`amount` back; never above full."""
        return Bucket(self.limit, max(0.0, self.used - amount), self.at_s)

    def level(self) -> Level:
        """What is left, in whole units."""
        remaining = math.floor(self.limit - self.used + _ROUNDING)
        return Level(self.limit, remaining, self.used * WINDOW_S / self.limit)
