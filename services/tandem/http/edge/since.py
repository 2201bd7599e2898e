"""Since when a client keeps the server waiting, and for what."""


class Since:
    """Instants of the event loop's clock; None where nothing is waited for.

    `head`: a request's headers are owed. `rest`: its answer is out, the last of its body is owed. `stalled`: it does not
    read. `lingers`: it was told the last word. `leaving`: the server goes.
    """

    __slots__ = ("head", "leaving", "lingers", "rest", "stalled")

    def __init__(self) -> None:
        self.head: float | None = None
        self.rest: float | None = None
        self.stalled: float | None = None
        self.lingers: float | None = None
        self.leaving: float | None = None


def over(since_s: float | None, limit_s: float, now_s: float) -> bool:
    """True when it is waited for longer than `limit_s`."""
    return since_s is not None and now_s - since_s > limit_s
