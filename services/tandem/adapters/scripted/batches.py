"""Batches in memory, over the jobs and files of other doubles."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tandem.adapters.scripted.files import ScriptedFiles
from tandem.adapters.scripted.job_turns import Held
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.domain.batch import Batch, BatchLease, BatchStatus, Side, StoredFile, Tally
from tandem.domain.job import Job
from tandem.domain.job_events import CANCELLED
from tandem.ports.batches import MAX_PAGE, BatchPage
from tandem.ports.clock import Clock


@dataclass(slots=True)
class HeldBatch:
    """`due_at` is None of one that is over, `token` of one that nobody moves on."""

    batch: Batch
    due_at: float | None
    token: str | None = None


class ScriptedBatches:
    """`ports/batches.py` in memory: `held` by id. `fault` is raised by every call while it is set."""

    def __init__(self, jobs: ScriptedJobs, files: ScriptedFiles, clock: Clock) -> None:
        self.held: dict[str, HeldBatch] = {}
        self.fault: Exception | None = None
        self._jobs = jobs
        self._files = files
        self._clock = clock
        self._tokens = 0

    async def create(self, batch: Batch) -> None:
        """See the port."""
        self._check()
        self.held[batch.id] = HeldBatch(batch, self._clock.epoch_s())

    async def batch(self, tenant: str, batch_id: str) -> Batch | None:
        """See the port."""
        self._check()
        held = self.held.get(batch_id)
        return held.batch if held is not None and held.batch.tenant == tenant else None

    async def anybodys(self, batch_id: str) -> Batch | None:
        """See the port."""
        self._check()
        held = self.held.get(batch_id)
        return None if held is None else held.batch

    async def page(self, tenant: str, *, caller: str | None, limit: int, after: str | None = None) -> BatchPage:
        """See the port."""
        last = None if after is None else await self.batch(tenant, after)
        found = [
            batch
            for batch in self._of(tenant)
            if caller in (None, batch.caller) and (after is None or (last is not None and _place(batch) < _place(last)))
        ]
        found.sort(key=_place, reverse=True)
        most = min(limit, MAX_PAGE)
        return BatchPage(tuple(found[:most]), len(found) > most)

    async def open(self, tenant: str) -> int:
        """See the port."""
        self._check()
        return sum(not batch.over for batch in self._of(tenant))

    async def going(self) -> Mapping[BatchStatus, int]:
        """See the port."""
        self._check()
        return Counter(held.batch.status for held in self.held.values() if not held.batch.over)

    async def cancel(self, tenant: str, batch_id: str) -> Batch | None:
        """See the port."""
        known = await self.batch(tenant, batch_id)
        if known is None or known.over or known.status == "cancelling":
            return known
        held, now = self.held[batch_id], self._clock.epoch_s()
        held.batch = replace(known, status="cancelling", cancelling_at=now)
        if held.token is None:
            held.due_at = now
        return held.batch

    async def claim(self, lease_s: float) -> BatchLease | None:
        """See the port."""
        self._check()
        now = self._clock.epoch_s()
        due = [(held.due_at, held) for held in self.held.values() if held.due_at is not None and held.due_at <= now]
        if not due:
            return None
        _, held = min(due, key=lambda each: each[0])
        self._tokens += 1
        held.token, held.due_at = f"batch-lease-{self._tokens}", now + lease_s
        return BatchLease(held.batch, held.token)

    async def keep(self, lease: BatchLease, batch: Batch, lease_s: float) -> bool:
        """See the port."""
        held = self._held(lease)
        if held is None or (held.batch.status == "cancelling" and batch.status not in ("cancelling", "cancelled")):
            return False
        held.batch, held.due_at = batch, self._clock.epoch_s() + lease_s
        return True

    async def end(self, lease: BatchLease, batch: Batch, written: Sequence[StoredFile]) -> bool:
        """See the port."""
        held = self._held(lease)
        if held is None:
            return False
        held.batch, held.due_at, held.token = batch, None, None
        for file in written:
            self._files.write(file)
        return True

    async def release(self, lease: BatchLease, look_again_s: float) -> None:
        """See the port."""
        held = self._held(lease)
        if held is not None:
            called_off = held.batch.status == "cancelling" != lease.batch.status
            held.token, held.due_at = None, self._clock.epoch_s() + (0.0 if called_off else look_again_s)

    async def tally(self, batch: Batch) -> Tally:
        """See the port."""
        self._check()
        lines = [held.job for held in self._lines(batch.tenant, batch.id)]
        open_, completed, failed, cancelled = (
            sum(job.status in statuses for job in lines)
            for statuses in (("queued", "running"), ("succeeded",), ("failed",), ("cancelled",))
        )
        expired = sum(job.failure is not None and job.failure.code == "expired" for job in lines)
        return Tally(open_, completed, failed, cancelled, expired)

    async def any_open(self, batch: Batch) -> bool:
        """See the port."""
        self._check()
        return any(not held.job.ended for held in self._lines(batch.tenant, batch.id))

    async def lines(self, batch: Batch, side: Side, *, after: int = -1, limit: int) -> tuple[Job, ...]:
        """See the port."""
        self._check()
        found = [held.job for held in self._lines(batch.tenant, batch.id) if _on(held.job, side)]
        found = sorted((job for job in found if (job.line or 0) > after), key=lambda job: job.line or 0)
        return tuple(replace(job, body=b"") for job in found[:limit])

    async def stop_lines(self, batch: Batch, most: int) -> int:
        """See the port."""
        self._check()
        now, lines = self._clock.epoch_s(), list(self._lines(batch.tenant, batch.id))
        idle = [held for held in lines if _idle(held, now)][:most]
        for held in idle:
            self._jobs.end(held, CANCELLED)
        for held in lines:
            if held.job.status == "running":
                held.job = replace(held.job, stopping=True)
        return len(idle)

    async def drop_lines(self, tenant: str, batch_id: str, side: Side) -> None:
        """See the port."""
        self._check()
        self._drop([held.job for held in self._lines(tenant, batch_id) if _on(held.job, side)])

    async def tenants(self) -> tuple[str, ...]:
        """See the port."""
        self._check()
        return tuple(sorted({held.batch.tenant for held in self.held.values()}))

    async def forget(
        self, tenant: str, *, user: str | None = None, before: float | None = None, ended_before: float | None = None
    ) -> int:
        """See the port."""
        self._check()
        if user is not None:
            self._forget_inputs(tenant, user)
        gone = [
            batch.id
            for batch in self._of(tenant)
            if (user is None or batch.user == user)
            and (before is None or batch.created_at < before)
            and (ended_before is None or (batch.ended_at is not None and batch.ended_at < ended_before))
        ]
        for batch_id in gone:
            self._drop([held.job for held in self._lines(tenant, batch_id)])
            for file_id in [each.file.id for each in self._files.held.values() if each.file.batch_id == batch_id]:
                del self._files.held[file_id]
            del self.held[batch_id]
        if ended_before is not None:
            jobs = (held.job for held in self._jobs.held.values() if held.job.tenant == tenant)
            lost = [job for job in jobs if job.batch_id is not None and job.batch_id not in self.held]
            self._drop([job for job in lost if job.ended_at is not None and job.ended_at < ended_before])
        return len(gone)

    def _forget_inputs(self, tenant: str, user: str) -> None:
        jobs = (held.job for held in self._jobs.held.values())
        theirs = {job.batch_id for job in jobs if job.tenant == tenant and job.user == user}
        for batch in self._of(tenant):
            if batch.id in theirs:
                self._files.held.pop(batch.input_file_id, None)

    def _drop(self, lines: Sequence[Job]) -> None:
        for job in lines:
            del self._jobs.held[job.id]
            self._jobs.written.pop(job.id, None)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _of(self, tenant: str) -> Iterator[Batch]:
        return (held.batch for held in self.held.values() if held.batch.tenant == tenant)

    def _held(self, lease: BatchLease) -> HeldBatch | None:
        self._check()
        held = self.held.get(lease.batch.id)
        return held if held is not None and held.token == lease.token else None

    def _lines(self, tenant: str, batch_id: str) -> Iterator[Held]:
        return (held for held in self._jobs.held.values() if (held.job.tenant, held.job.batch_id) == (tenant, batch_id))


def _place(batch: Batch) -> tuple[float, str]:
    return batch.created_at, batch.id


def _idle(held: Held, now: float) -> bool:
    """It waits, or whoever ran it was not heard of for too long."""
    return held.job.status == "queued" or (held.job.status == "running" and held.until <= now)


def _on(job: Job, side: Side) -> bool:
    return job.ended and (job.status == "succeeded") is (side == "output")
