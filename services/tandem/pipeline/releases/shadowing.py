"""Questions that were answered are answered once more by a candidate, in the background, for nobody to see."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Protocol

from tandem.domain.context import RequestContext
from tandem.domain.errors import Overloaded, Preempted, TandemError
from tandem.domain.question import Question
from tandem.domain.record import AnswerRecord
from tandem.domain.release import Release
from tandem.pipeline.releases.aside import aside
from tandem.pipeline.whole import Answers, whole
from tandem.ports.clock import Clock
from tandem.ports.monitor import Recordable

_log = logging.getLogger("tandem.releases")
Replayed = Literal["answered", "failed", "no_room"]
# At a time, by each process: what comes meanwhile is left out.
_MOST = 4


class ShadowMeter(Protocol):
    """Counts them."""

    def shadowed(self, how: Replayed) -> None:
        """One question."""
        ...


class Heard:
    """`ports/monitor.py` of answers that nobody saw: they are measured, and nothing of them is kept."""

    def __init__(self, prepare: Callable[[AnswerRecord], AnswerRecord], told: Callable[[AnswerRecord], None]) -> None:
        self._prepare = prepare
        self._told = told
        self._measuring: set[asyncio.Future[None]] = set()

    def take(self, answer: Recordable) -> None:
        """In a thread: scores take their time."""
        loop = asyncio.get_running_loop()
        measuring = loop.run_in_executor(None, lambda: self._told(self._prepare(answer.record())))
        self._measuring.add(measuring)
        measuring.add_done_callback(self._measured)

    async def settled(self) -> None:
        """What was taken is measured."""
        await asyncio.gather(*self._measuring, return_exceptions=True)

    def _measured(self, measuring: asyncio.Future[None]) -> None:
        self._measuring.discard(measuring)
        error = None if measuring.cancelled() else measuring.exception()
        if error is not None:
            _log.warning("an answer in shadow cannot be measured", exc_info=error)


class Shadowing:
    """`answers` makes the flow of a release alone. It waits behind everybody, takes no quota, and is left out where there is
    no room.
    """

    def __init__(
        self, answers: Callable[[Release], Answers], clock: Clock, meter: ShadowMeter, *, timeout_s: float
    ) -> None:
        self._answers = answers
        self._clock = clock
        self._meter = meter
        self._timeout_s = timeout_s
        self._going: set[asyncio.Task[None]] = set()

    def begin(self, release: Release, question: Question, context: RequestContext) -> None:
        """Beside what goes on."""
        if len(self._going) >= _MOST:
            self._meter.shadowed("no_room")
            return
        task = asyncio.create_task(self._replay(release, question, context))
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    async def stop(self) -> None:
        """What runs is left where it is."""
        for task in self._going:
            task.cancel()
        await asyncio.gather(*self._going, return_exceptions=True)

    async def _replay(self, release: Release, question: Question, context: RequestContext) -> None:
        alone = aside(context, "shadow", self._clock.monotonic_s() + self._timeout_s)
        anew = replace(question, retrieval=replace(question.retrieval, cache=False, explain=False))
        try:
            await whole(self._answers(release), anew, alone)
        except (Overloaded, Preempted):
            self._meter.shadowed("no_room")
        except TandemError:
            self._meter.shadowed("failed")
        else:
            self._meter.shadowed("answered")
