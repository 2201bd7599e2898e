"""How fast slots become free, measured."""

# Weight of the newest request in the mean of how long slots are held, and what is assumed before the first one.
_NEWEST = 0.1
_UNKNOWN_S = 1.0


class Drain:
    """`held_s` is the mean time that a slot is held, in seconds; None before the first one was free again."""

    def __init__(self, now_s: float) -> None:
        self._moved_s = now_s
        self.held_s: float | None = None

    def taken(self, now_s: float) -> None:
        """A slot was taken."""
        self._moved_s = now_s

    def freed(self, held_s: float, now_s: float) -> None:
        """A slot is free that was held for so long."""
        self._moved_s = now_s
        self.held_s = held_s if self.held_s is None else self.held_s + _NEWEST * (held_s - self.held_s)

    def gap_s(self, slots: int, now_s: float) -> float:
        """Seconds from one slot that becomes free to the next, of `slots` that are taken.

        By how long they are held, or by how long nothing has moved when that is longer: a server that hangs shows.
        """
        usual_s = (_UNKNOWN_S if self.held_s is None else self.held_s) / max(1, slots)
        return max(usual_s, now_s - self._moved_s)
