"""Where jobs are handed in, asked after and called off, by those they belong to."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from tandem.domain.errors import IdempotencyConflict, InvalidRequest, Overloaded, UnknownJob
from tandem.domain.job import Job, JobEvent
from tandem.domain.reader import Reader
from tandem.pipeline.jobs.following import Following
from tandem.ports.clock import Clock
from tandem.ports.deliveries import Deliveries, DeliveryState
from tandem.ports.jobs import JobCursor, JobFilter, JobPage, Jobs

_EVENTS_AT_ONCE = 500
_COUNT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class DeskRules:
    """`most_waiting` of one tenant's jobs may be open, about; one more is refused. Without `callbacks` nobody is told."""

    most_waiting: int = 10_000
    callbacks: bool = True


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job as its owner sees it, with the message about its end, where one was asked for."""

    job: Job
    delivery: DeliveryState | None = None


class JobDesk:
    """A job belongs to the caller that handed it in, and to admins; nobody else can tell it from one that is not there.

    `ring` is told when there is a new one.
    """

    def __init__(
        self,
        jobs: Jobs,
        deliveries: Deliveries,
        clock: Clock,
        rules: DeskRules,
        weight_of: Callable[[str], float],
        following: Following,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        self._jobs = jobs
        self._deliveries = deliveries
        self._clock = clock
        self._rules = rules
        self._weight_of = weight_of
        self._following = following
        self._ring = ring
        # Of each tenant: when its open jobs were counted last, and how many there are since.
        self._counts: dict[str, tuple[float, int]] = {}

    async def submit(self, job: Job) -> Job:
        """The job as it is now: another one's, when its idempotency key is known and the body the same.

        Raises `IdempotencyConflict` for another body under the key, `Overloaded` when the tenant has too many waiting.
        """
        if job.callback_url is not None and not self._rules.callbacks:
            raise InvalidRequest(
                "callback_url: nobody is told of jobs here.",
                hint="The operator has to set jobs.webhooks.secret.",
                param="callback_url",
            )
        waiting = await self._waiting(job.tenant)
        if waiting >= self._rules.most_waiting:
            raise Overloaded(
                f"{waiting:,} jobs of this tenant wait already: some must be done, or cancelled, first.",
                retry_after_s=60.0,
            )
        (kept,) = await self._jobs.submit([replace(job, weight=self._weight_of(job.tenant))])
        if not Reader(job.tenant, job.caller, job.groups).owns(kept.caller, kept.groups):
            raise IdempotencyConflict(
                "The idempotency key was used before, in groups that you are not in any more.",
                hint="Take a new key.",
                param="idempotency_key",
            )
        if (known := self._counts.get(job.tenant)) is not None:
            self._counts[job.tenant] = known[0], known[1] + 1
        self._ring()
        return kept

    async def ticket(self, job_id: str, reader: Reader) -> Ticket:
        """Raises `UnknownJob` for an unknown id and for another one's alike, after the same work."""
        job = await self._own(job_id, reader)
        delivery = None if job.callback_url is None else await self._deliveries.state(job.tenant, job.id)
        return Ticket(job, delivery)

    async def page(self, wanted: JobFilter, reader: Reader, *, limit: int, after: JobCursor | None = None) -> JobPage:
        """The caller's own, newest first; an admin sees those of all callers of its tenant whose groups it has."""
        if not reader.admin:
            wanted = replace(wanted, caller=reader.caller or "")
        page = await self._jobs.page(reader.tenant, wanted, limit=limit, after=after)
        return replace(page, jobs=tuple(job for job in page.jobs if reader.owns(job.caller, job.groups)))

    async def cancel(self, job_id: str, reader: Reader) -> Job:
        """One that waits is cancelled now, one that runs soon; one that ended stays as it is. Raises `UnknownJob`."""
        job = await self._own(job_id, reader)
        return await self._jobs.cancel(job.tenant, job.id) or job

    async def follow(self, job_id: str, reader: Reader, after: int) -> AsyncIterator[JobEvent]:
        """Its events behind `after`, as they come, up to the last one, or until this process leaves: then they are followed
        elsewhere. Raises `UnknownJob`, also when it is deleted.
        """
        job = await self._own(job_id, reader)
        while True:
            for event in (found := await self._jobs.events(job.tenant, job.id, after=after, limit=_EVENTS_AT_ONCE)):
                yield event
                if event.kind == "done":
                    return
                after = event.seq
            # Who came behind the last event waits for nothing; who follows a deleted job is told.
            if not found and not (await self._following.beyond(job.id, after)):
                await self._own(job_id, reader)
                return

    async def _waiting(self, tenant: str) -> int:
        """About: counting costs more than submitting, and is done once a second."""
        now_s = self._clock.monotonic_s()
        known = self._counts.get(tenant)
        if known is None or now_s - known[0] > _COUNT_EVERY_S:
            self._counts = {name: each for name, each in self._counts.items() if now_s - each[0] <= _COUNT_EVERY_S}
            known = now_s, await self._jobs.waiting(tenant, most=self._rules.most_waiting)
            self._counts[tenant] = known
        return known[1]

    async def _own(self, job_id: str, reader: Reader) -> Job:
        job = await self._jobs.job(reader.tenant, job_id)
        if job is None or not reader.owns(job.caller, job.groups):
            raise UnknownJob(
                "There is no such job.", hint="Jobs are kept for a time, and seen by who submitted them.", param="id"
            )
        return job
