"""Time, so that tests can own it."""

from typing import Protocol


class Clock(Protocol):
    """`monotonic_s` for durations and deadlines, `epoch_s` for timestamps; both in seconds."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...
