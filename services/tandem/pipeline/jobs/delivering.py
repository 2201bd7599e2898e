"""Messages about jobs that ended, sent until they arrive or are given up."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from tandem.domain.errors import Overloaded, PermissionDenied, TandemError
from tandem.domain.job import Job
from tandem.ports.clock import Clock
from tandem.ports.deliveries import Deliveries, Delivery
from tandem.ports.webhook import Message, Webhooks

_log = logging.getLogger("tandem.jobs")
_TOGETHER = 8
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """At most so many `attempts`, `first_s` after the first, then `factor` times as long each, `longest_s` at most.

    With the defaults the last one is made some 23 hours after the first.
    """

    attempts: int = 12
    first_s: float = 5.0
    factor: float = 3.0
    longest_s: float = 6 * 3600.0
    timeout_s: float = 15.0

    def pause_s(self, attempts: int, chance: float) -> float:
        """After so many; a quarter more or less by `chance` 0…1, so that not all come back at once."""
        pause_s: float = min(self.longest_s, self.first_s * self.factor ** (attempts - 1))
        return pause_s * (0.75 + chance / 2)


class Delivering:
    """`told` makes the body; `random` is 0…1."""

    def __init__(
        self,
        deliveries: Deliveries,
        webhooks: Webhooks,
        told: Callable[[Job], bytes],
        clock: Clock,
        random: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self._deliveries = deliveries
        self._webhooks = webhooks
        self._told = told
        self._clock = clock
        self._random = random
        self._patience = patience or Patience()

    async def run(self) -> None:
        """Until it is cancelled; a store that is away is waited for."""
        while True:
            try:
                sent = await self.round()
            except TandemError as error:
                _log.warning("messages about jobs wait: %s", error.message)
                sent = 0
            if not sent:
                await asyncio.sleep(_LOOK_S)

    async def round(self) -> int:
        """Those that are due now; how many there were."""
        due = await self._deliveries.claim(_TOGETHER, self._patience.timeout_s * 2)
        told = await asyncio.gather(*map(self._deliver, due), return_exceptions=True)
        for fault in told:
            if fault is not None:
                raise fault
        return len(due)

    async def _deliver(self, delivery: Delivery) -> None:
        job = delivery.job
        try:
            async with asyncio.timeout(self._patience.timeout_s):
                await self._webhooks.send(Message(delivery.id, job.tenant, job.callback_url or "", self._told(job)))
        except TimeoutError:
            await self._failed(delivery, "It did not answer in time.", 0.0, final=False)
        except TandemError as error:
            after_s = error.retry_after_s if isinstance(error, Overloaded) else 0.0
            await self._failed(delivery, error.message, after_s, final=isinstance(error, PermissionDenied))
        except ValueError:
            await self._failed(delivery, "What is to be told cannot be read.", 0.0, final=True)
        else:
            await self._deliveries.delivered(delivery)

    async def _failed(self, delivery: Delivery, problem: str, after_s: float, *, final: bool) -> None:
        over = final or delivery.attempts >= self._patience.attempts
        if over:
            _log.warning(
                "a message about a job was given up: %s",
                problem,
                extra={"job": delivery.job.id, "attempts": delivery.attempts},
            )
            await self._deliveries.failed(delivery, problem, None)
            return
        pause_s = max(after_s, self._patience.pause_s(delivery.attempts, self._random()))
        await self._deliveries.failed(delivery, problem, self._clock.epoch_s() + pause_s)
