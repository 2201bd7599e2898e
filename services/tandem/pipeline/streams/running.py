"""A stream of questions, answered side by side, as many as there is room for; answers go out in the questions' order."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

from tandem.domain.errors import TandemError
from tandem.domain.steps import code_of
from tandem.pipeline.putting import plain_errors
from tandem.pipeline.streams.attempt import Attempting
from tandem.ports.question_stream import OpenQuestions, Posed, QuestionStream, Reply

_log = logging.getLogger("tandem.streams")
_FIRST_RETRY_S = 1.0
_MAX_RETRY_S = 60.0
# What is being published when the process ends has so long for it.
_LAST_S = 5.0
_CANCEL_AGAIN_S = 1.0
# Questions of a partition that are in hand for each one that is answered: those behind a slow one need not wait for it.
_AHEAD = 4
_LEAST_AHEAD = 16


@dataclass(slots=True, eq=False)
class _Place:
    posed: Posed
    task: asyncio.Task[Reply] | None = None
    reply: Reply | None = None


@dataclass(slots=True, eq=False)
class _Session:
    """The stream while it is open once: the places of each partition in order, from the oldest without an answer on."""

    attempting: Attempting
    concurrency: int
    welcome: Callable[[], bool]
    source: OpenQuestions = field(init=False)
    lines: dict[int, deque[_Place]] = field(default_factory=dict)
    waiting: deque[_Place] = field(default_factory=deque)
    running: set[asyncio.Task[Reply]] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    publishing: asyncio.Task[None] | None = None

    @property
    def ahead(self) -> int:
        return max(_LEAST_AHEAD, _AHEAD * self.concurrency)

    async def run(self, source: OpenQuestions) -> None:
        self.source = source
        try:
            with plain_errors():
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._taking())
                    tasks.create_task(self._publishing())
        finally:
            await self._leave()

    def lost(self, partitions: Collection[int]) -> None:
        """Others answer them from now on."""
        for partition in partitions:
            for place in self.lines.pop(partition, ()):
                self._drop(place)

    async def _taking(self) -> None:
        while True:
            full = [partition for partition, line in self.lines.items() if len(line) >= self.ahead]
            for posed in await self.source.take(self.ahead if self.welcome() else 0, full):
                place = _Place(posed)
                self.lines.setdefault(posed.partition, deque()).append(place)
                self.waiting.append(place)
            self._begin()
            self.attempting.meter.look(sum(map(len, self.lines.values())), self.source.behind)

    def _begin(self) -> None:
        while self.waiting and len(self.running) < self.concurrency and self.welcome():
            place = self.waiting.popleft()
            place.task = asyncio.create_task(self.attempting.reply(place.posed))
            self.running.add(place.task)
            place.task.add_done_callback(partial(self._ended, place))

    def _ended(self, place: _Place, task: asyncio.Task[Reply]) -> None:
        self.running.discard(task)
        if not task.cancelled():
            fault = task.exception()
            place.reply = self._unforeseen(place.posed, fault) if fault is not None else task.result()
            self.done.set()
        self._begin()

    def _unforeseen(self, posed: Posed, fault: BaseException) -> Reply:
        """A fault of ours must not hold up what comes behind."""
        _log.error("a question could not be answered: %s", code_of(fault), exc_info=fault)
        return self.attempting.refusal(posed, TandemError("An unforeseen fault."))

    async def _publishing(self) -> None:
        while True:
            await self.done.wait()
            # What is on its way to the broker is not broken off.
            self.publishing = asyncio.create_task(self._publish())
            await asyncio.shield(self.publishing)

    async def _publish(self) -> None:
        self.done.clear()
        ready = [(line, [*takewhile(_answered, line)]) for line in self.lines.values()]
        works = [self._hand_over(line, places) for line, places in ready if places]
        for fault in await asyncio.gather(*works, return_exceptions=True):
            if fault is not None:
                raise fault

    async def _hand_over(self, line: "deque[_Place]", places: Sequence[_Place]) -> None:
        replies = [place.reply for place in places if place.reply is not None]
        if not await self.source.publish(places[0].posed.partition, replies):
            return
        for place in places:
            if line and line[0] is place:
                line.popleft()
        now, meter = self.attempting.clock.epoch_s(), self.attempting.meter
        for reply in replies:
            meter.ended(_outcome(reply), max(0.0, now - reply.posed.at_s))

    async def _leave(self) -> None:
        publishing = self.publishing
        self.waiting.clear()
        while self.running:
            for task in self.running:
                task.cancel()
            # Again: one that gives its slot away this very moment hears of that instead.
            await asyncio.wait(self.running, timeout=_CANCEL_AGAIN_S)
        with contextlib.suppress(TandemError, TimeoutError):
            # One that failed is why we leave; then nothing more can be said.
            async with asyncio.timeout(_LAST_S):
                if publishing is not None:
                    await publishing
                await self._publish()

    def _drop(self, place: _Place) -> None:
        if place.task is not None:
            place.task.cancel()
        elif place in self.waiting:
            self.waiting.remove(place)


class AnsweredStream:
    """One stream for as long as the process lives. New questions are begun while they are `welcome`."""

    def __init__(
        self,
        stream: QuestionStream,
        attempting: Attempting,
        *,
        concurrency: int = 4,
        welcome: Callable[[], bool] = lambda: True,
    ) -> None:
        self._stream = stream
        self._attempting = attempting
        self._concurrency = concurrency
        self._welcome = welcome

    async def run(self) -> None:
        """Until it is cancelled; a stream that is away is waited for. What is not published then is not done."""
        retry_s, clock = _FIRST_RETRY_S, self._attempting.clock
        while True:
            began_s = clock.monotonic_s()
            try:
                await self._once()
            except TandemError as error:
                if clock.monotonic_s() - began_s > _MAX_RETRY_S:
                    retry_s = _FIRST_RETRY_S
                _log.warning(
                    "the stream %s is opened again in %.0f s: %s", self._attempting.asker.name, retry_s, error.message
                )
            await self._attempting.pause(retry_s)
            retry_s = min(2 * retry_s, _MAX_RETRY_S)

    async def _once(self) -> None:
        session = _Session(self._attempting, self._concurrency, self._welcome)
        async with self._stream.open(session.lost) as source:
            self._attempting.meter.opened(up=True)
            try:
                await session.run(source)
            finally:
                self._attempting.meter.opened(up=False)


def _answered(place: _Place) -> bool:
    return place.reply is not None


def _outcome(reply: Reply) -> str:
    return dict(reply.headers)["tandem-error"].decode() if reply.failed else "answered"
