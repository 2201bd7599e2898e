"""Where jobs wait, in an order that is fair, and where what became of them is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.job import ANSWERS, Job, JobEvent, JobStatus, Lease, Outcome
from tandem.domain.tenants import Priority

MAX_PAGE = 200
# So many may be submitted in one call.
MAX_SUBMIT = 1_000


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a job must be like; None passes all. `since` and `until`: when it was submitted, `until` itself is out."""

    status: JobStatus | None = None
    caller: str | None = None
    user: str | None = None
    batch_id: str | None = None
    queue: str | None = None
    since: float | None = None
    until: float | None = None

    def passes(self, job: Job) -> bool:
        """True when the job is like that."""
        said = (
            (self.status, job.status),
            (self.caller, job.caller),
            (self.user, job.user),
            (self.batch_id, job.batch_id),
            (self.queue, job.queue),
        )
        return (
            all(want is None or want == has for want, has in said)
            and (self.since is None or job.created_at >= self.since)
            and (self.until is None or job.created_at < self.until)
        )


@dataclass(frozen=True, slots=True)
class JobCursor:
    """Behind a job, in the order of pages."""

    created_at: float
    id: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """Newest first, without bodies and results; `next_after` is where the next page begins, None when there is none."""

    jobs: tuple[Job, ...]
    next_after: JobCursor | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs of a queue, tenant and priority can run now, wait for their time, and run."""

    queue: str
    tenant: str
    priority: Priority
    ready: int = 0
    later: int = 0
    running: int = 0


@dataclass(frozen=True, slots=True)
class Latest:
    """The number of a job's last event, 0 where there is none yet; of one that has `ended` it is the very last."""

    seq: int
    ended: bool


class Jobs(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now.

    Order: the turns of each tenant and priority follow one another as far apart as their jobs' `toll`, and the smallest
    turn is next; whoever comes anew begins behind what was claimed last (self-clocked fair queueing, Golestani 1994).
    So a tenant's many do not hold up another's one, and no priority waits forever.

    A job is executed at least once, and ends once: what is done with a lease that was lost has no effect. The store says
    in events what it does to a job (`status` when it is claimed, `retry` when it is put back, `done`); `append` adds the others.
    With `retry` go the tokens of the attempt that is void, and what is old (`domain/job_events.py`); no number comes twice.
    No call with a tenant looks beyond it.
    """

    async def submit(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """All or none of them, at most `MAX_SUBMIT`; in the place of one whose id or idempotency key is known, the job as it is
        now: to ask again after a failure is safe. One that has ended already is kept as it is: nobody runs it.

        Raises `IdempotencyConflict` when that one has another body, `DocumentRejected` for what no store of this kind can
        hold.
        """
        ...

    async def job(self, tenant: str, job_id: str) -> Job | None:
        """One look-up by both, so that an unknown id and another tenant's take the same time."""
        ...

    async def page(self, tenant: str, wanted: JobFilter, *, limit: int, after: JobCursor | None = None) -> JobPage:
        """At most `limit`, up to `MAX_PAGE`; what is submitted meanwhile disturbs no paging."""
        ...

    async def waiting(self, tenant: str, *, most: int, queue: str = ANSWERS) -> int:
        """How many of the tenant's have not ended; counted up to `most`."""
        ...

    async def cancel(self, tenant: str, job_id: str) -> Job | None:
        """One that waits is cancelled at once, one that runs is `stopping`, one that ended stays as it is."""
        ...

    async def claim(
        self, worker: str, most: int, lease_s: float, queues: Sequence[str] = (ANSWERS,)
    ) -> tuple[Lease, ...]:
        """At most `most` jobs to run, of the first queue that has any first. Those whose lease lapsed are among them, unless
        they are to be stopped: those are cancelled. Whatever expired fails with `expired`.
        """
        ...

    async def ready(self, *, most: int, queues: Sequence[str] = (ANSWERS,)) -> tuple[str, ...]:
        """At most `most` tenants that have jobs to run now, by name; one look into an index for each."""
        ...

    async def renew(self, leases: Sequence[Lease], lease_s: float) -> frozenset[str]:
        """From now on for so many seconds. The ids of jobs to stop: cancelled ones, and those whose lease is lost."""
        ...

    async def wanted_stopped(self, worker: str) -> frozenset[str]:
        """The ids of jobs that this worker runs and somebody wants cancelled: cheap, to be asked often."""
        ...

    async def append(self, lease: Lease, events: Sequence[JobEvent]) -> bool:
        """Behind the job's other events. False when the lease is lost."""
        ...

    async def finish(self, lease: Lease, outcome: Outcome) -> bool:
        """Outcome, last event, and the message to its `callback_url` in one transaction. False when the lease is lost."""
        ...

    async def release(
        self, lease: Lease, *, not_before: float | None = None, counted: bool = True, reason: str = ""
    ) -> bool:
        """Back in the queue, in front; an attempt that is not `counted` does not show in `attempts`. One that is to be
        stopped is cancelled instead. False when the lease is lost.
        """
        ...

    async def events(self, tenant: str, job_id: str, *, after: int = 0, limit: int = 1_000) -> tuple[JobEvent, ...]:
        """Those behind `after`, first to last; none of an unknown job."""
        ...

    async def latest(self, job_ids: Sequence[str]) -> Mapping[str, Latest]:
        """Of all of these in one look; those that are gone are missing. It is for whoever knows that they may be followed."""
        ...

    async def depth(self) -> tuple[Depth, ...]:
        """Of all tenants, where there is any; its cost grows with the queue."""
        ...

    async def tenants(self) -> tuple[str, ...]:
        """Those that have jobs, in order."""
        ...

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        ended_before: float | None = None,
    ) -> int:
        """Delete those of a user, submitted before an instant, ended before an instant (lines of a batch end with it): what all
        of these apply to. With none, all of the tenant's. Their events and messages go along; one that runs has lost its lease. How many there were.
        """
        ...
