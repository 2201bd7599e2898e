"""Jobs are answered, as many at a time as there is room for, each once."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tandem.domain.errors import TandemError
from tandem.domain.job import ANSWERS, Lease
from tandem.domain.steps import code_of
from tandem.pipeline.claiming import claimed
from tandem.pipeline.jobs.attempt import Attempt, Attempting, Why
from tandem.pipeline.jobs.seats import giving_up, waiting_in_vain
from tandem.ports.clock import Clock
from tandem.ports.jobs import Jobs

_log = logging.getLogger("tandem.jobs")
# A lease is renewed so many times before it lapses.
_RENEWALS = 3
_SAY_EVERY_S = 30.0
_AGAIN_S = 1.0
_PUT_BACK_S = 10.0


@dataclass(frozen=True, slots=True)
class RunnerPolicy:
    """`concurrency` jobs at a time, of the first of the `queues` that has any. Whoever was not heard of for `lease_s` has lost
    its jobs.

    Without a bell the queue is looked at every `look_s`; whether a running job is to be stopped every `stop_look_s`. While
    others could use their seats, a tenant's jobs keep more than its share for `patience_s` without a place at a model.
    """

    concurrency: int = 8
    lease_s: float = 30.0
    look_s: float = 0.5
    stop_look_s: float = 0.05
    patience_s: float = 2.0
    queues: Sequence[str] = (ANSWERS,)


class Runner:
    """Claims jobs as `worker`, whose name nobody else has, while they are `welcome`. `ring` says that there may be a new one."""

    def __init__(
        self,
        jobs: Jobs,
        attempting: Attempting,
        clock: Clock,
        policy: RunnerPolicy,
        *,
        worker: str,
        welcome: Callable[[], bool] = lambda: True,
    ) -> None:
        self._jobs = jobs
        self._attempting = attempting
        self._clock = clock
        self._policy = policy
        self._worker = worker
        self._welcome = welcome
        # By the lease, job and token: a job whose lease was lost may be here again before its old attempt has ended.
        self._running: dict[tuple[str, str], tuple[asyncio.Task[None], Attempt]] = {}
        self._bell = asyncio.Event()
        self._looked_s = 0.0
        # A job that was put back is to run alone: it is in front of the queue.
        self._alone_next = False

    @property
    def running(self) -> int:
        """How many it runs."""
        return len(self._running)

    def ring(self) -> None:
        """Look at the queue now."""
        self._bell.set()

    async def run(self) -> None:
        """Until it is cancelled: then those that run go back to the queue. A store that is away is waited for."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._claiming(), self._renewing(), self._stopping()):
                    tasks.create_task(work)
        finally:
            await self._put_back()

    async def _claiming(self) -> None:
        while True:
            self._bell.clear()
            found: tuple[Lease, ...] = ()
            free = self._free()
            if free > 0 and self._welcome():
                with self._waiting_for_the_store():
                    found = await claimed(
                        self._jobs.claim(self._worker, free, self._policy.lease_s, self._policy.queues), self._give_back
                    )
                self._alone_next = False
            elif self._welcome():
                with self._waiting_for_the_store():
                    await self._make_room()
            for attempt in [each for lease in found if (each := self._begin(lease)) is not None]:
                with self._waiting_for_the_store():
                    await attempt.set_apart()
            # A full hand says that there may be more; an end rings the bell, unless it was in vain.
            if len(found) < free or free <= 0:
                # Not `wait_for`, which may lose a cancellation that comes with the bell (until Python 3.12).
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._policy.look_s):
                        await self._bell.wait()

    async def _give_back(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            await self._jobs.release(lease, counted=False, reason="shutdown")

    async def _make_room(self) -> None:
        """Those that have waited too long for a place leave their seats to tenants that have jobs to run, and fewer seats."""
        patience_s = self._policy.patience_s
        if not waiting_in_vain(self._attempts(), patience_s):
            return
        # One more than have a seat: then there is one among them that has none.
        ready = await self._jobs.ready(most=self._policy.concurrency + 1, queues=self._policy.queues)
        seated = {attempt: task for task, attempt in self._running.values()}
        for attempt in giving_up(list(seated), ready, patience_s):
            attempt.stop("unseated", seated[attempt])

    def _attempts(self) -> list[Attempt]:
        return [attempt for _, attempt in self._running.values()]

    def _free(self) -> int:
        """Seats for others; one, once all are free, when a job is to run alone, and none while it does."""
        if any(attempt.suspect for attempt in self._attempts()):
            return 0
        if self._alone_next:
            return 0 if self._running else 1
        return self._policy.concurrency - len(self._running)

    def _begin(self, lease: Lease) -> Attempt | None:
        """The attempt, when it has to go back: it is to run alone, or another one does."""
        attempt, others = self._attempting.attempt(lease), self._attempts()
        if others and (attempt.suspect or any(other.suspect for other in others)):
            self._alone_next = self._alone_next or attempt.suspect
            return attempt
        task = asyncio.create_task(attempt.run())
        self._running[lease.job.id, lease.token] = task, attempt
        task.add_done_callback(lambda done: self._ended(lease, done))
        return None

    def _ended(self, lease: Lease, task: asyncio.Task[None]) -> None:
        ended = self._running.pop((lease.job.id, lease.token), None)
        # A thousand that are refused at once are not to be tried as fast as the store can: a look at a time will do.
        if ended is None or not ended[1].in_vain:
            self._bell.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease lapses, and it is tried again: what was not foreseen may pass as well.
            _log.error("a job could not be ended: %s", code_of(error), exc_info=error, extra={"job": lease.job.id})

    async def _renewing(self) -> None:
        pause_s = self._policy.lease_s / _RENEWALS
        while True:
            await asyncio.sleep(pause_s)
            attempts = list(self._running.values())
            # Soon again when that fails: a lease has a few chances only.
            pause_s = min(_AGAIN_S, self._policy.lease_s / _RENEWALS)
            with self._waiting_for_the_store():
                leases = [attempt.lease for _, attempt in attempts]
                lost = await self._jobs.renew(leases, self._policy.lease_s)
                # Those that were asked about, not others of the same jobs that were begun meanwhile.
                self._stop((each for each in attempts if each[1].lease.job.id in lost), "lost")
                pause_s = self._policy.lease_s / _RENEWALS

    async def _stopping(self) -> None:
        while True:
            await asyncio.sleep(self._policy.stop_look_s)
            if self._running:
                with self._waiting_for_the_store():
                    wanted = await self._jobs.wanted_stopped(self._worker)
                    self._stop((each for each in self._running.values() if each[1].lease.job.id in wanted), "cancelled")

    @staticmethod
    def _stop(attempts: Iterable[tuple[asyncio.Task[None], Attempt]], why: Why) -> None:
        for task, attempt in attempts:
            attempt.stop(why, task)

    async def _put_back(self) -> None:
        self._stop(self._running.values(), "shutdown")
        tasks = [task for task, _ in self._running.values()]
        if tasks:
            # What a store that is away cannot be told, the lapse of the leases tells it.
            await asyncio.wait(tasks, timeout=_PUT_BACK_S)

    @contextlib.contextmanager
    def _waiting_for_the_store(self) -> Iterator[None]:
        try:
            yield
        except TandemError as error:
            now_s = self._clock.monotonic_s()
            if now_s - self._looked_s > _SAY_EVERY_S:
                self._looked_s = now_s
                _log.warning("jobs wait for their store: %s", error.message)
