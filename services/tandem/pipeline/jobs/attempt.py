"""One attempt at one job: it is answered as online, and ends, goes back, or stops."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import getrandbits
from typing import Literal, Protocol

import orjson

from tandem.domain.answer import Answered, Found
from tandem.domain.context import Progress, RequestContext
from tandem.domain.errors import StoreBusy, TandemError, UpstreamUnavailable
from tandem.domain.job import JobEvent, JobFailure, Lease, Outcome
from tandem.domain.question import Question
from tandem.domain.span import SpanContext
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.whole import Answers, whole
from tandem.ports.clock import Clock
from tandem.ports.jobs import Jobs

Why = Literal["cancelled", "lost", "shutdown", "unseated"]
# Tokens of so long are told together.
_TOGETHER_S = 0.1
# What began so long ago at most begins for the first time.
_FIRST_S = 0.2
# The end of a job is told again where the store is away for a moment: to answer once more would cost more.
_TELL_AGAIN_S = (0.5, 1.0, 2.0, 4.0)
_MOST_UNTOLD = 100_000
# The stages of a request before it has a slot.
_WAITING = ("request", "queue")


class JobMeter(Protocol):
    """Where jobs are counted."""

    def ended(self, status: str) -> None:
        """For good."""
        ...

    def put_back(self, reason: str) -> None:
        """To be tried again."""
        ...

    def waited(self, seconds: float) -> None:
        """From when it might have begun until it did, the first time."""
        ...


@dataclass(frozen=True, slots=True)
class Attempting:
    """What every attempt needs: `parse` reads a question out of a job's body, `render` makes the `chat.completion`."""

    jobs: Jobs
    answers: Answers
    parse: Callable[[bytes], Question]
    render: Callable[[str, int, Found, str, Answered], bytes]
    clock: Clock
    policy: AttemptPolicy
    meter: JobMeter
    random: Callable[[], float]
    new_id: Callable[[], str]

    def attempt(self, lease: Lease) -> "Attempt":
        """At what was claimed."""
        return Attempt(self, lease)


class Attempt:
    """`run` is a task's; `stop` ends it."""

    __slots__ = ("_began_s", "_begun", "_of", "_over", "_progress", "_why", "lease")

    def __init__(self, of: Attempting, lease: Lease) -> None:
        self._of = of
        self._why: Why | None = None
        self._over = False
        self._begun = False
        self._progress = Progress()
        self._began_s = of.clock.monotonic_s()
        self.lease = lease

    @property
    def tenant(self) -> str:
        """Whose job it is."""
        return self.lease.job.tenant

    @property
    def waited_s(self) -> float | None:
        """How long it has waited for its place at a model; None once it has one."""
        return self._of.clock.monotonic_s() - self._began_s if self._progress.stage in _WAITING else None

    @property
    def in_vain(self) -> bool:
        """It ended by itself without a place at a model: whatever is begun next may well end like it."""
        return self._why is None and self.waited_s is not None

    @property
    def suspect(self) -> bool:
        """It may be what killed the process that ran it."""
        return self.lease.job.attempts > self._of.policy.most

    async def set_apart(self) -> None:
        """Instead of `run`: back to the queue, since it must not run beside others, or others beside it."""
        await self._back("set_apart", 0.0, counted=False)

    def stop(self, why: Why, task: asyncio.Task[None]) -> None:
        """It is not wanted any more, or not here. The first reason counts, and none once its end is being written."""
        if self._why is None and not self._over:
            self._why = why
            # Cancelled before its first step a task never comes to the end where the job goes back.
            if self._begun:
                task.cancel()

    async def run(self) -> None:
        """Raises what the store raises at the end: then the lease lapses, and the job is tried again."""
        self._begun = True
        job, of = self.lease.job, self._of
        if job.attempts > of.policy.most + of.policy.alone:
            # Whoever began it so often did not live to tell why.
            await self._end(Outcome("failed", failure=JobFailure("attempts_exhausted", "Every attempt broke off.")))
            return
        now = of.clock.epoch_s()
        if now - (job.started_at or now) < _FIRST_S:
            of.meter.waited(max(0.0, now - max(job.created_at, job.not_before or 0.0)))
        receipt = f"rcpt-{of.new_id()}"
        if self._why is not None:
            await self._stopped(self._why, receipt)
            return
        try:
            outcome = await self._answered(receipt)
        except TandemError as error:
            await self._failed(error, receipt)
        except asyncio.CancelledError:
            if self._why is None:
                raise
            await self._stopped(self._why, receipt)
        else:
            await self._end(outcome)

    async def _stopped(self, why: Why, receipt: str) -> None:
        """With a lease that is lost this has no effect; a job that is to be stopped is cancelled by any of it."""
        if why == "cancelled":
            await self._end(Outcome("cancelled", receipt_id=receipt))
        else:
            await self._back(why, self._pause_s() if why == "unseated" else 0.0, counted=False)

    async def _answered(self, receipt: str) -> Outcome:
        job, of = self.lease.job, self._of
        question = replace(of.parse(job.body), user=job.user)
        context = RequestContext(
            job.id,
            job.tenant,
            of.clock.monotonic_s() + of.policy.timeout_s,
            SpanContext(f"{getrandbits(128) or 1:032x}", f"{getrandbits(64) or 1:016x}"),
            groups=job.groups,
            progress=self._progress,
            user=job.caller,
            answer_id=receipt,
            mode="async" if job.batch_id is None else "batch",
        )
        told = _Told(of.jobs, self.lease, of.clock)
        # Nobody follows the lines of a batch: it is written once, with the answer.
        on_token = told.say if job.batch_id is None else None
        found, text, end = await whole(of.answers, question, context, on_token)
        await told.flush()
        result = of.render(receipt, int(of.clock.epoch_s()), found, text, end)
        return Outcome("succeeded", result, receipt_id=receipt)

    async def _failed(self, error: TandemError, receipt: str) -> None:
        pause = self._of.policy.after(error, self.lease.job.attempts, self._since_s(), self._of.random())
        if pause is not None:
            await self._back(error.code, pause.seconds, counted=pause.counted)
            return
        await self._end(Outcome("failed", failure=JobFailure(error.code, error.message), receipt_id=receipt))

    def _since_s(self) -> float:
        """Since it was begun for the first time."""
        job = self.lease.job
        return max(0.0, self._of.clock.epoch_s() - (job.started_at or job.created_at))

    def _pause_s(self) -> float:
        return self._of.policy.pause_s(self.lease.job.attempts, self._since_s(), self._of.random())

    async def _back(self, reason: str, pause_s: float, *, counted: bool) -> None:
        self._over = True
        not_before = self._of.clock.epoch_s() + pause_s if pause_s else None
        if await self._of.jobs.release(self.lease, not_before=not_before, counted=counted, reason=reason):
            self._of.meter.put_back(reason)

    async def _end(self, outcome: Outcome) -> None:
        self._over = True
        if await self._told_the_end(outcome):
            self._of.meter.ended(outcome.status)

    async def _told_the_end(self, outcome: Outcome) -> bool:
        for pause_s in _TELL_AGAIN_S:
            try:
                return await self._of.jobs.finish(self.lease, outcome)
            except (UpstreamUnavailable, StoreBusy):
                await asyncio.sleep(pause_s)
        return await self._of.jobs.finish(self.lease, outcome)


class _Told:
    """Tokens on their way into the job's events, some at a time."""

    __slots__ = ("_clock", "_jobs", "_lease", "_said", "_since_s")

    def __init__(self, jobs: Jobs, lease: Lease, clock: Clock) -> None:
        self._jobs = jobs
        self._lease = lease
        self._clock = clock
        self._said: list[str] = []
        self._since_s = clock.monotonic_s()

    async def say(self, text: str) -> None:
        """Soon."""
        self._said.append(text)
        if self._clock.monotonic_s() - self._since_s >= _TOGETHER_S:
            await self.flush()

    async def flush(self) -> None:
        """Now. A lease that was lost is told by others."""
        text, self._said = "".join(self._said), []
        self._since_s = self._clock.monotonic_s()
        if not text:
            return
        try:
            await self._jobs.append(self._lease, [JobEvent("token", orjson.dumps({"text": text}))])
        except TandemError:
            # Who follows gets it later, or with the answer; that goes on.
            self._said = [text[-_MOST_UNTOLD:]]
