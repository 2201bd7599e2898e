"""The machine's own time."""

import time


class SystemClock:
    """`ports/clock.py` over the operating system."""

    def monotonic_s(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()
