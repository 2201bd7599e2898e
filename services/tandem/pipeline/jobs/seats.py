"""Who gives up a seat when all are taken: jobs that only wait, to tenants that have fewer."""

from collections import Counter
from collections.abc import Collection, Sequence

from tandem.pipeline.jobs.attempt import Attempt


def waiting_in_vain(seated: Sequence[Attempt], patience_s: float) -> list[Attempt]:
    """All that wait for a place at a model, of tenants of whom one has waited for longer; last come, first in the list.

    Whoever came behind one that waits in vain would get its place later still.
    """
    waits = [(attempt, waited_s) for attempt in seated if (waited_s := attempt.waited_s) is not None]
    stuck = {attempt.tenant for attempt, waited_s in waits if waited_s > patience_s}
    return [attempt for attempt, _ in sorted(waits, key=lambda each: each[1]) if attempt.tenant in stuck]


def giving_up(seated: Sequence[Attempt], ready: Collection[str], patience_s: float) -> list[Attempt]:
    """As many of them as it takes until no tenant that is `ready` to use them has two seats fewer, or none."""
    gone: list[Attempt] = []
    seats = Counter(attempt.tenant for attempt in seated)
    for attempt in waiting_in_vain(seated, patience_s) if ready else ():
        poorest = min(ready, key=lambda name: seats[name])
        if attempt.tenant != poorest and (seats[attempt.tenant] > seats[poorest] + 1 or not seats[poorest]):
            seats[attempt.tenant] -= 1
            seats[poorest] += 1
            gone.append(attempt)
    return gone
