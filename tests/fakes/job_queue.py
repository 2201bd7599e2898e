"""A store of jobs under test."""

from dataclasses import dataclass

from fakes.jobs import job
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.job import Job, Outcome
from tandem.ports.deliveries import Deliveries
from tandem.ports.jobs import Jobs

DONE = Outcome("succeeded", b'{"id":"chatcmpl-1"}', receipt_id="rcpt-1")


@dataclass(frozen=True, slots=True)
class Queue:
    """A store under test, and its time."""

    jobs: Jobs
    deliveries: Deliveries
    clock: ScriptedClock

    def made(self, count: int, tenant: str = "acme", **more: object) -> list[Job]:
        """So many jobs of a tenant, one after the other."""
        return [job(number, tenant, at=self.clock.epoch_s(), **more) for number in range(count)]  # type: ignore[arg-type]

    async def kinds(self, one: Job) -> list[str]:
        """Of its events, in order."""
        return [event.kind for event in await self.jobs.events(one.tenant, one.id)]


async def claimed(queue: Queue, most: int = 1, worker: str = "w-1", lease_s: float = 30) -> list[str]:
    """The ids of what a worker gets."""
    return [lease.job.id for lease in await queue.jobs.claim(worker, most, lease_s)]
