"""Messages about the jobs of a queue in memory."""

from collections.abc import Collection
from dataclasses import replace

from tandem.adapters.scripted.jobs import Message, ScriptedJobs
from tandem.ports.clock import Clock
from tandem.ports.deliveries import MAX_PAGE, Delivery, DeliveryState


class ScriptedDeliveries:
    """`ports/deliveries.py` over the `messages` of a `ScriptedJobs`."""

    def __init__(self, jobs: ScriptedJobs, clock: Clock) -> None:
        self._jobs = jobs
        self._clock = clock
        self._tokens = 0

    async def claim(self, most: int, lease_s: float, *, but: Collection[str] = ()) -> tuple[Delivery, ...]:
        """See the port."""
        now = self._clock.epoch_s()
        due = [each for each in self._jobs.messages.values() if each.state.status == "pending" and each.due_at <= now]
        due = [each for each in due if self._jobs.held[each.state.job_id].job.tenant not in but]
        due.sort(key=lambda each: (each.due_at, each.state.job_id))
        self._tokens += 1
        return tuple(self._claimed(each, now + lease_s) for each in due[:most])

    async def delivered(self, delivery: Delivery) -> bool:
        """See the port."""
        message = self._held(delivery)
        if message is not None:
            now = self._clock.epoch_s()
            message.state, message.token = replace(message.state, status="delivered", problem="", ended_at=now), ""
        return message is not None

    async def failed(self, delivery: Delivery, problem: str, again_at: float | None) -> bool:
        """See the port."""
        message = self._held(delivery)
        if message is None:
            return False
        message.token = ""
        if again_at is None:
            message.state = replace(message.state, status="dead", problem=problem, ended_at=self._clock.epoch_s())
        else:
            message.state, message.due_at = replace(message.state, problem=problem), again_at
        return True

    async def state(self, tenant: str, job_id: str) -> DeliveryState | None:
        """See the port."""
        message = self._of(tenant, job_id)
        return None if message is None else message.state

    async def dead(self, tenant: str, *, limit: int) -> list[DeliveryState]:
        """See the port."""
        dead = [
            each.state
            for each in self._jobs.messages.values()
            if each.state.status == "dead" and self._jobs.held[each.state.job_id].job.tenant == tenant
        ]
        dead.sort(key=lambda state: (state.ended_at or 0.0, state.job_id), reverse=True)
        return dead[: min(limit, MAX_PAGE)]

    async def again(self, tenant: str, job_id: str) -> bool:
        """See the port."""
        message = self._of(tenant, job_id)
        if message is None or message.state.status != "dead":
            return False
        message.state = replace(message.state, status="pending", attempts=0, ended_at=None)
        message.due_at = self._clock.epoch_s()
        return True

    def _claimed(self, message: Message, until: float) -> Delivery:
        message.state = replace(message.state, attempts=message.state.attempts + 1)
        message.due_at, message.token = until, f"send-{self._tokens}"
        return Delivery(self._jobs.held[message.state.job_id].job, message.state.attempts, message.token)

    def _of(self, tenant: str, job_id: str) -> Message | None:
        held = self._jobs.held.get(job_id)
        return self._jobs.messages.get(job_id) if held is not None and held.job.tenant == tenant else None

    def _held(self, delivery: Delivery) -> Message | None:
        message = self._jobs.messages.get(delivery.job.id)
        return message if message is not None and message.token == delivery.token else None
