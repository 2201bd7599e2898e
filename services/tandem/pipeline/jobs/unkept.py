"""Jobs where there is no place for them: a fleet whose processes share no database."""

# ruff: noqa: ARG002 - it has its ports' signatures, and looks at nothing

from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

from tandem.domain.errors import NotServed
from tandem.domain.job import ANSWERS, Job, JobEvent, Lease, Outcome
from tandem.ports.deliveries import Deliveries, Delivery, DeliveryState
from tandem.ports.jobs import Depth, JobCursor, JobFilter, JobPage, Jobs, Latest


class _Unkept:
    async def submit(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """Raises `NotServed`."""
        _refuse()

    async def job(self, tenant: str, job_id: str) -> Job | None:
        """Raises `NotServed`."""
        _refuse()

    async def page(self, tenant: str, wanted: JobFilter, *, limit: int, after: JobCursor | None = None) -> JobPage:
        """Raises `NotServed`."""
        _refuse()

    async def waiting(self, tenant: str, *, most: int, queue: str = ANSWERS) -> int:
        """Raises `NotServed`."""
        _refuse()

    async def cancel(self, tenant: str, job_id: str) -> Job | None:
        """Raises `NotServed`."""
        _refuse()

    async def events(self, tenant: str, job_id: str, *, after: int = 0, limit: int = 1_000) -> tuple[JobEvent, ...]:
        """Raises `NotServed`."""
        _refuse()

    async def claim(
        self, worker: str, most: int, lease_s: float, queues: Sequence[str] = (ANSWERS,)
    ) -> tuple[Lease, ...]:
        """There is none."""
        return ()

    async def ready(self, *, most: int, queues: Sequence[str] = (ANSWERS,)) -> tuple[str, ...]:
        """Nobody."""
        return ()

    async def renew(self, leases: Sequence[Lease], lease_s: float) -> frozenset[str]:
        """They are all lost."""
        return frozenset(lease.job.id for lease in leases)

    async def wanted_stopped(self, worker: str) -> frozenset[str]:
        """There is none."""
        return frozenset()

    async def append(self, lease: Lease, events: Sequence[JobEvent]) -> bool:
        """It is lost."""
        return False

    async def finish(self, lease: Lease, outcome: Outcome) -> bool:
        """It is lost."""
        return False

    async def release(
        self, lease: Lease, *, not_before: float | None = None, counted: bool = True, reason: str = ""
    ) -> bool:
        """It is lost."""
        return False

    async def latest(self, job_ids: Sequence[str]) -> Mapping[str, Latest]:
        """They are all gone."""
        return {}

    async def depth(self) -> tuple[Depth, ...]:
        """There is none."""
        return ()

    async def tenants(self) -> tuple[str, ...]:
        """Nobody."""
        return ()

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        ended_before: float | None = None,
    ) -> int:
        """Nothing to forget."""
        return 0


class _Unsent:
    async def claim(self, most: int, lease_s: float, *, but: Collection[str] = ()) -> tuple[Delivery, ...]:
        """There is none."""
        return ()

    async def delivered(self, delivery: Delivery) -> bool:
        """It is not ours."""
        return False

    async def failed(self, delivery: Delivery, problem: str, again_at: float | None) -> bool:
        """It is not ours."""
        return False

    async def state(self, tenant: str, job_id: str) -> DeliveryState | None:
        """There is none."""
        return None

    async def dead(self, tenant: str, *, limit: int) -> Sequence[DeliveryState]:
        """There is none."""
        return ()

    async def again(self, tenant: str, job_id: str) -> bool:
        """There is none."""
        return False


def _refuse() -> NoReturn:
    raise NotServed(
        "There is no place for jobs here: these processes share no database.",
        hint="Set state.url to a PostgreSQL that all of them reach.",
    )


UNKEPT_JOBS: Jobs = _Unkept()
UNSENT: Deliveries = _Unsent()
