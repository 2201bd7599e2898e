"""One retrieval's way through its stages: how long each took, and what had to be left out for want of time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from tandem.domain.errors import DeadlineExceeded
from tandem.domain.passage import StageTime
from tandem.domain.steps import Step
from tandem.ports.clock import Clock
from tandem.retrieval.pace import Pace
from tandem.retrieval.plan import Stage, left_out

T = TypeVar("T")


class Course:
    """`timings_s` by stage, all its runs together, and `stages` one by one; `degraded` in the words of `retrieval/plan.py`."""

    def __init__(self, pace: Pace, clock: Clock, deadline_s: float | None) -> None:
        self._pace = pace
        self._clock = clock
        self._deadline_s = deadline_s
        self._began_s = clock.monotonic_s()
        self.timings_s: dict[str, float] = {}
        self.stages: list[StageTime] = []
        self.degraded: list[str] = []

    def left_s(self) -> float | None:
        """Seconds until the deadline, 0 when it has passed, None without one."""
        return None if self._deadline_s is None else max(0.0, self._deadline_s - self._clock.monotonic_s())

    def fits(self, stage: Stage, ahead: Sequence[Stage]) -> bool:
        """True when there is time for `stage` and for what is `ahead` of it; else it is noted as left out."""
        if stage not in left_out(self.left_s(), (stage, *ahead), self._pace.needs_s):
            return True
        self._pace.skipped(stage)
        self.note(stage.skipped)
        return False

    def affords(self, stages: Sequence[Stage]) -> bool:
        """True when there is time for all of them."""
        left_s = self.left_s()
        return left_s is None or sum(map(self._pace.needs_s, stages)) <= left_s

    async def take(self, stage: Stage, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns. Raises `DeadlineExceeded` with the stage's name when the time is over before."""
        return await self._bounded(stage, work, self.measured(stage))

    async def within(self, stage: Stage, work: Callable[[], Awaitable[T]]) -> T:
        """The same for a small part of the stage, from which nothing is learnt of how long it takes."""
        return await self._bounded(stage, work, nullcontext())

    async def _bounded(self, stage: Stage, work: Callable[[], Awaitable[T]], around: AbstractContextManager[None]) -> T:
        left_s = self.left_s()
        if left_s is not None and left_s <= 0:
            raise DeadlineExceeded(stage.name)
        try:
            with around:
                async with asyncio.timeout(left_s):
                    return await work()
        except TimeoutError as error:
            raise DeadlineExceeded(stage.name) from error

    async def attempt(self, stage: Stage, work: Callable[[], Awaitable[T]], ahead: Sequence[Stage]) -> T | None:
        """What `work` returns; None, and noted, when it takes the time that the stages `ahead` of it need."""
        left_s = self.left_s()
        limit_s = None if left_s is None else left_s - sum(map(self._pace.needs_s, ahead))
        try:
            with self.measured(stage):
                async with asyncio.timeout(limit_s):
                    return await work()
        except TimeoutError:
            self.failed(stage)
            return None

    def failed(self, stage: Stage) -> None:
        """Note that the stage was begun, and that the answer goes on without it."""
        self.note(stage.failed)

    @contextmanager
    def measured(self, stage: Stage) -> Iterator[None]:
        """Time what is done inside. A failure tells nothing of how long the stage takes, being cut off does."""
        began_s = self._clock.monotonic_s()
        telling = False
        try:
            with Step(stage.name):
                yield
            telling = True
        except TimeoutError:
            telling = True
            raise
        finally:
            took_s = self._clock.monotonic_s() - began_s
            self.stages.append(StageTime(stage.name, began_s - self._began_s, took_s))
            self.timings_s[stage.name] = self.timings_s.get(stage.name, 0.0) + took_s
            if telling:
                self._pace.took(stage, took_s)

    def note(self, word: str | None) -> None:
        """Say this in `degraded`, once."""
        if word is not None and word not in self.degraded:
            self.degraded.append(word)
