"""How many clients are connected, and which of them were turned away."""

from enum import StrEnum


class Closed(StrEnum):
    """Why the server ended a connection that its client would have kept."""

    full = "full"
    slow_head = "slow_head"
    large_head = "large_head"
    malformed = "malformed"
    slow_reader = "slow_reader"
    pipelined = "pipelined"
    drained = "drained"


class Census:
    """Counts of one process; `closed` has an entry for every reason from the start, so that a rate of zero is a rate."""

    __slots__ = ("closed", "open")

    def __init__(self) -> None:
        self.open = 0
        self.closed = dict.fromkeys(Closed, 0)
