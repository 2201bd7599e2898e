"""Messages about jobs that ended, until they arrive or are given up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tandem.domain.job import Job, webhook_id

DeliveryStatus = Literal["pending", "delivered", "dead"]
MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """To be sent to `job.callback_url`, by whoever has its `token`. `attempts` are those that were begun."""

    job: Job
    attempts: int
    token: str

    @property
    def id(self) -> str:
        """The message's, the same at every attempt."""
        return webhook_id(self.job.id)


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """How far the message about a job is; `ended_at` (seconds since 1970) is when it arrived, or was given up."""

    job_id: str
    url: str
    status: DeliveryStatus
    attempts: int
    problem: str = ""
    ended_at: float | None = None


class Deliveries(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now.

    Messages are written with the end of their job (`ports/jobs.py`), and sent at least once under one id.
    """

    async def claim(self, most: int, lease_s: float, *, but: Collection[str] = ()) -> tuple[Delivery, ...]:
        """At most `most` that are due, the longest due first, and those whose sender was not heard of for its lease; none of the
        tenants `but` these.
        """
        ...

    async def delivered(self, delivery: Delivery) -> bool:
        """It arrived. False when somebody else has it meanwhile."""
        ...

    async def failed(self, delivery: Delivery, problem: str, again_at: float | None) -> bool:
        """To be tried again at an instant (seconds since 1970), with None never. False when somebody else has it meanwhile."""
        ...

    async def state(self, tenant: str, job_id: str) -> DeliveryState | None:
        """None for a job that has no message (yet)."""
        ...

    async def dead(self, tenant: str, *, limit: int) -> Sequence[DeliveryState]:
        """Those that were given up, newest first; at most `limit`, up to `MAX_PAGE`."""
        ...

    async def again(self, tenant: str, job_id: str) -> bool:
        """Try one that was given up once more, from the first attempt. False when there is none."""
        ...
