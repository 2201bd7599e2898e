"""Time that moves only when told."""


class ScriptedClock:
    """`ports/clock.py` for tests."""

    def __init__(self, monotonic_s: float = 1000.0, epoch_s: float = 1_767_225_600.0) -> None:
        self._monotonic_s = monotonic_s
        self._epoch_s = epoch_s

    def monotonic_s(self) -> float:
        """Seconds told so far."""
        return self._monotonic_s

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._epoch_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic_s += seconds
        self._epoch_s += seconds
