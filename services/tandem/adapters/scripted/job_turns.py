"""Jobs as the scripted queue holds them, and whose turn is next among tenants and priorities."""

from collections.abc import Iterable
from dataclasses import dataclass

from tandem.domain.job import Job


@dataclass(slots=True)
class Held:
    """A job and what the store knows beside it. `turn` is None unless it can run now."""

    job: Job
    turn: float | None = None
    wake_at: float | None = None
    worker: str = ""
    token: str = ""
    until: float = 0.0


def turn_of(job: Job, others: Iterable[Held], begin: float, *, in_front: bool) -> float:
    """Behind the tenant's others of its queue and priority; `begin` is how far the queue has come. One that ran already goes
    before those that did not, and `in_front` before all.
    """
    again = job.started_at is not None
    if again and in_front:
        return begin
    flow = (job.queue, job.tenant, job.priority)
    of_flow = (
        each.turn
        for each in others
        if each.turn is not None
        and (each.job.queue, each.job.tenant, each.job.priority) == flow
        and (each.job.started_at is not None or not again)
    )
    return max(begin, *of_flow, begin) + job.toll
