"""Messages about jobs that ended, sent until they arrive or are given up."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tandem.domain.errors import Overloaded, PermissionDenied, TandemError
from tandem.domain.job import Job
from tandem.domain.steps import code_of
from tandem.ports.clock import Clock
from tandem.ports.deliveries import Deliveries, Delivery
from tandem.ports.webhook import Message, Webhooks

_log = logging.getLogger("tandem.jobs")
_SLOTS = 16
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
    """`told` makes the body; `random` is 0…1.

    A tenant may have as many on their way as there are slots free: one that is alone takes half of them, and however many
    have receivers that hang, a slot is left for the next.
    """

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
        self._sending: dict[asyncio.Task[None], Delivery] = {}
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled; a store that is away is waited for."""
        try:
            while True:
                self._bell.clear()
                if not await self._begun():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_S):
                            await self._bell.wait()
        finally:
            sending = list(self._sending)
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    async def begin(self) -> asyncio.Task[None] | None:
        """Send the next one that is due and has a slot; None when there is none."""
        free = _SLOTS - len(self._sending)
        if not free:
            return None
        busy = Counter(delivery.job.tenant for delivery in self._sending.values())
        full = [tenant for tenant, slots in busy.items() if slots >= free]
        for delivery in await self._deliveries.claim(1, self._patience.timeout_s * 2, but=full):
            task = asyncio.create_task(self._deliver(delivery))
            self._sending[task] = delivery
            task.add_done_callback(self._ended)
            return task
        return None

    async def _begun(self) -> bool:
        try:
            return await self.begin() is not None
        except TandemError as error:
            _log.warning("messages about jobs wait: %s", error.message)
            return False

    def _ended(self, task: asyncio.Task[None]) -> None:
        delivery = self._sending.pop(task)
        self._bell.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody has heard how it went: it is sent again when its lease is over.
            _log.warning("how a message went cannot be kept: %s", code_of(error), extra={"job": delivery.job.id})

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
