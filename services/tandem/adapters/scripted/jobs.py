"""A queue of jobs in memory that a test can look into."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tandem.adapters.scripted.job_turns import Held, turn_of
from tandem.domain.errors import DocumentRejected
from tandem.domain.job import ANSWERS, Job, JobEvent, Lease, Outcome
from tandem.domain.job_events import CANCELLED, EXPIRED, LAPSED, begun, ended, put_back, same_body, still_told
from tandem.domain.tenants import Priority
from tandem.ports.clock import Clock
from tandem.ports.deliveries import DeliveryState
from tandem.ports.jobs import MAX_PAGE, MAX_SUBMIT, Depth, JobCursor, JobFilter, JobPage, Latest


@dataclass(slots=True)
class Message:
    """What is to be said of a job's end; `due_at` is an instant, or when its sender is given up."""

    state: DeliveryState
    due_at: float
    token: str = ""


class ScriptedJobs:
    """`ports/jobs.py` in memory: `held` by id, `messages` to be sent. `fault` is raised by every call while it is set."""

    def __init__(self, clock: Clock) -> None:
        self.held: dict[str, Held] = {}
        self.written: dict[str, list[JobEvent]] = {}
        self.messages: dict[str, Message] = {}
        self.fault: Exception | None = None
        self._clock = clock
        self._virtual: dict[str, float] = {}
        self._tokens = 0

    async def submit(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """See the port."""
        self._check()
        if len(jobs) > MAX_SUBMIT:
            raise DocumentRejected(f"More than {MAX_SUBMIT} jobs at once.", reason="too_large")
        keyed = {(held.job.tenant, held.job.idempotency_key): held.job for held in self.held.values()}
        shown: list[Job] = []
        new: list[Job] = []
        for job in jobs:
            held = self.held.get(job.id)
            known = keyed.get((job.tenant, job.idempotency_key or "")) or (held.job if held else None)
            shown.append(known or job)
            if known is not None:
                same_body(known, job)
            else:
                new.append(job)
                keyed[job.tenant, job.idempotency_key] = job
        for job in new:
            self.held[job.id] = held = Held(job)
            if not job.ended:
                self._queue(held, job.not_before)
        return tuple(shown)

    async def job(self, tenant: str, job_id: str) -> Job | None:
        """See the port."""
        self._check()
        held = self.held.get(job_id)
        return held.job if held is not None and held.job.tenant == tenant else None

    async def page(self, tenant: str, wanted: JobFilter, *, limit: int, after: JobCursor | None = None) -> JobPage:
        """See the port."""
        self._check()
        found = [job for job in self._of(tenant) if wanted.passes(job)]
        if after is not None:
            found = [job for job in found if (job.created_at, job.id) < (after.created_at, after.id)]
        found.sort(key=lambda job: (job.created_at, job.id), reverse=True)
        shown = found[: min(limit, MAX_PAGE)]
        last = JobCursor(shown[-1].created_at, shown[-1].id) if len(found) > len(shown) else None
        return JobPage(tuple(replace(job, body=b"", result=b"") for job in shown), last)

    async def waiting(self, tenant: str, *, most: int, queue: str = ANSWERS) -> int:
        """See the port."""
        self._check()
        return min(most, sum(job.queue == queue and not job.ended for job in self._of(tenant)))

    async def cancel(self, tenant: str, job_id: str) -> Job | None:
        """See the port."""
        self._check()
        held = self.held.get(job_id)
        if held is None or held.job.tenant != tenant:
            return None
        if held.job.status == "queued":
            self.end(held, CANCELLED)
        elif held.job.status == "running":
            held.job = replace(held.job, stopping=True)
        return held.job

    async def claim(
        self, worker: str, most: int, lease_s: float, queues: Sequence[str] = (ANSWERS,)
    ) -> tuple[Lease, ...]:
        """See the port."""
        self._check()
        now = self._clock.epoch_s()
        lapsed = self._settle(now)
        self._tokens += 1
        leases: list[Lease] = []
        for queue in queues:
            ready = [held for held in self.held.values() if held.job.queue == queue and held.turn is not None]
            ready.sort(key=lambda held: (held.turn or 0.0, held.job.id))
            old = [held for held in lapsed if held.job.queue == queue]
            for held in [*old, *ready][: most - len(leases)]:
                if held.turn is not None:
                    self._virtual[queue] = max(self._virtual.get(queue, 0.0), held.turn)
                else:
                    self._put(held.job.id, put_back(LAPSED))
                leases.append(self._lease(held, worker, now, lease_s))
        return tuple(leases)

    async def ready(self, *, most: int, queues: Sequence[str] = (ANSWERS,)) -> tuple[str, ...]:
        """See the port."""
        self._check()
        held = (each for each in self.held.values() if each.turn is not None and each.job.queue in queues)
        return tuple(sorted({each.job.tenant for each in held})[:most])

    async def renew(self, leases: Sequence[Lease], lease_s: float) -> frozenset[str]:
        """See the port."""
        self._check()
        stop: set[str] = set()
        for lease in leases:
            held = self._held(lease)
            if held is None or held.job.stopping:
                stop.add(lease.job.id)
            if held is not None:
                held.until = self._clock.epoch_s() + lease_s
        return frozenset(stop)

    async def wanted_stopped(self, worker: str) -> frozenset[str]:
        """See the port."""
        self._check()
        running = (held for held in self.held.values() if held.worker == worker and held.job.status == "running")
        return frozenset(held.job.id for held in running if held.job.stopping)

    async def append(self, lease: Lease, events: Sequence[JobEvent]) -> bool:
        """See the port."""
        self._check()
        if self._held(lease) is None:
            return False
        for event in events:
            self._put(lease.job.id, event)
        return True

    async def finish(self, lease: Lease, outcome: Outcome) -> bool:
        """See the port."""
        self._check()
        held = self._held(lease)
        if held is not None:
            self.end(held, outcome)
        return held is not None

    async def release(
        self, lease: Lease, *, not_before: float | None = None, counted: bool = True, reason: str = ""
    ) -> bool:
        """See the port."""
        self._check()
        held = self._held(lease)
        if held is None:
            return False
        if held.job.stopping:
            self.end(held, CANCELLED)
            return True
        held.job = replace(held.job, status="queued", attempts=held.job.attempts - (0 if counted else 1))
        held.token = held.worker = ""
        self._put(held.job.id, put_back(reason, not_before))
        self._queue(held, not_before, in_front=True)
        return True

    async def events(self, tenant: str, job_id: str, *, after: int = 0, limit: int = 1_000) -> tuple[JobEvent, ...]:
        """See the port."""
        self._check()
        held = self.held.get(job_id)
        if held is None or held.job.tenant != tenant:
            return ()
        return tuple(event for event in self.written.get(job_id, ()) if event.seq > after)[:limit]

    async def latest(self, job_ids: Sequence[str]) -> dict[str, Latest]:
        """See the port."""
        self._check()
        held = [self.held[job_id].job for job_id in job_ids if job_id in self.held]
        told = {job.id: self.written.get(job.id) for job in held}
        return {job.id: Latest(events[-1].seq if (events := told[job.id]) else 0, job.ended) for job in held}

    async def depth(self) -> tuple[Depth, ...]:
        """See the port."""
        self._check()
        counts: dict[tuple[str, str, Priority], Depth] = {}
        for held in self.held.values():
            job = held.job
            key = job.queue, job.tenant, job.priority
            known = counts.get(key, Depth(*key))
            if job.status == "running":
                counts[key] = replace(known, running=known.running + 1)
            elif held.turn is not None or (held.wake_at is not None and held.wake_at <= self._clock.epoch_s()):
                counts[key] = replace(known, ready=known.ready + 1)
            elif held.wake_at is not None:
                counts[key] = replace(known, later=known.later + 1)
        return tuple(counts[key] for key in sorted(counts))

    async def tenants(self) -> tuple[str, ...]:
        """See the port."""
        self._check()
        return tuple(sorted({held.job.tenant for held in self.held.values()}))

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        ended_before: float | None = None,
    ) -> int:
        """See the port."""
        self._check()
        gone = [
            job.id
            for job in self._of(tenant)
            if (user is None or job.user == user)
            and (before is None or job.created_at < before)
            and (ended_before is None or _ended_before(job, ended_before))
        ]
        for job_id in gone:
            del self.held[job_id]
            self.written.pop(job_id, None)
            self.messages.pop(job_id, None)
        return len(gone)

    def _of(self, tenant: str) -> Iterator[Job]:
        return (held.job for held in self.held.values() if held.job.tenant == tenant)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _held(self, lease: Lease) -> Held | None:
        held = self.held.get(lease.job.id)
        return held if held is not None and held.token == lease.token else None

    def _queue(self, held: Held, not_before: float | None, *, in_front: bool = False) -> None:
        if not_before is not None and not_before > self._clock.epoch_s():
            held.wake_at = not_before
            return
        begin = self._virtual.get(held.job.queue, 0.0)
        held.wake_at = None
        held.turn = turn_of(held.job, self.held.values(), begin, in_front=in_front)

    def _settle(self, now: float) -> list[Held]:
        """Wakes, expires and stops what is due. Those whose lease lapsed and that are to be run again."""
        lapsed: list[Held] = []
        for held in list(self.held.values()):
            job = held.job
            over = job.status == "running" and held.until <= now
            if over and job.stopping:
                self.end(held, CANCELLED)
            elif (over or job.status == "queued") and job.expires_at is not None and job.expires_at <= now:
                self.end(held, EXPIRED)
            elif over:
                lapsed.append(held)
            elif held.wake_at is not None and held.wake_at <= now:
                self._queue(held, None)
        return lapsed

    def _lease(self, held: Held, worker: str, now: float, lease_s: float) -> Lease:
        began = held.job.started_at if held.job.started_at is not None else now
        held.job = replace(held.job, status="running", attempts=held.job.attempts + 1, started_at=began)
        held.turn, held.worker, held.token, held.until = None, worker, f"lease-{self._tokens}", now + lease_s
        self._put(held.job.id, begun(held.job.attempts))
        return Lease(held.job, held.token, held.until)

    def end(self, held: Held, outcome: Outcome) -> None:
        """Whoever runs it."""
        held.job = replace(
            held.job,
            status=outcome.status,
            stopping=False,
            ended_at=self._clock.epoch_s(),
            result=outcome.result,
            failure=outcome.failure,
            receipt_id=outcome.receipt_id,
        )
        held.turn, held.wake_at, held.token, held.worker = None, None, "", ""
        self._put(held.job.id, ended(outcome))
        if held.job.callback_url is not None:
            state = DeliveryState(held.job.id, held.job.callback_url, "pending", 0)
            self.messages[held.job.id] = Message(state, self._clock.epoch_s())

    def _put(self, job_id: str, event: JobEvent) -> None:
        events = self.written.setdefault(job_id, [])
        events.append(replace(event, seq=events[-1].seq + 1 if events else 1, at=self._clock.epoch_s()))
        if event.kind == "retry":
            self.written[job_id] = still_told(events)


def _ended_before(job: Job, at: float) -> bool:
    return job.batch_id is None and job.ended_at is not None and job.ended_at < at
