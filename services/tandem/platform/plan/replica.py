"""One engine in virtual time, step by step: a step reads as much of the prompts, in turn, as it holds, and writes a token of
each answer."""

import asyncio
import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from itertools import count

from tandem.platform.plan.engines import ServiceTimes

# Tokens that are as good as none; and the shortest look ahead, so that a clock that has run for long still moves.
_ROUNDING = 1e-6
_LEAST_S = 1e-6


@dataclass(eq=False, slots=True)
class Job:
    """One request inside: what is to read and to write, and who waits for its first and its last token."""

    prompt_tokens: float
    answer_tokens: float
    first: "asyncio.Future[None]"
    last: "asyncio.Future[None]"
    unread: float = field(init=False)

    def __post_init__(self) -> None:
        self.unread = self.prompt_tokens


@dataclass(slots=True)
class Use:
    """Seconds so far: `busy_s` with anything running, `used_s` what that work takes when all slots are taken."""

    busy_s: float = 0.0
    used_s: float = 0.0


@dataclass(slots=True)
class Replica:
    """Steps that only write go on at an even pace until one of them ends a wait or an answer: there is no more to know of them.

    Whoever comes is read from the next step on. `_chunk` tokens of prompts are read in the step that ends with `_written`
    at `_step`; `_written` counts steps since somebody began to write, `_rate` is how many pass in a second.

    `hold` and `release` stop and start it: business logic in the same process, in whose way it is.
    """

    times: ServiceTimes
    loop: asyncio.AbstractEventLoop
    use: Use = field(default_factory=Use)
    held: float = 0.0
    _coming: int = 0
    _waiting: deque[Job] = field(default_factory=deque)
    _reading: deque[Job] = field(default_factory=deque)
    _chunk: float = 0.0
    _step: int = 0
    _writing: list[tuple[float, int, Job]] = field(default_factory=list)
    _written: float = 0.0
    _rate: float = 0.0
    _at_s: float = 0.0
    _timer: asyncio.TimerHandle | None = None
    _order: "count[int]" = field(default_factory=count)

    @property
    def running(self) -> int:
        """Requests that read or write."""
        return len(self._writing) + len(self._reading)

    @property
    def full(self) -> bool:
        """True when one more would have to wait inside."""
        return self.running + len(self._waiting) + self._coming >= self.times.slots

    def take(self, job: Job) -> None:
        """It runs, or waits for a slot inside; what passes before that is in nobody's way."""
        self._coming += 1
        self.loop.call_later(self.times.first_s, self._come, job)

    def hold(self, share: float) -> None:
        """From now on the GPU stands still for this share of the time."""
        self.turn()
        self.held += share
        self._plan()

    def release(self, share: float) -> None:
        """No longer."""
        self.turn()
        self.held -= share
        self._plan()

    def turn(self) -> None:
        """Up to now."""
        now_s = self.loop.time()
        passed_s, self._at_s = now_s - self._at_s, now_s
        if passed_s <= 0 or not (self._writing or self._reading):
            return
        steps = self._rate * passed_s
        self._written += steps
        self.use.busy_s += passed_s * max(0.0, 1 - self.held)
        times = self.times
        self.use.used_s += steps * (
            self._chunk / times.read_tokens_per_s + len(self._writing) / times.full_tokens_per_s
        )

    def _come(self, job: Job) -> None:
        self.turn()
        self._coming -= 1
        self._waiting.append(job)
        self._plan()

    def _plan(self) -> None:
        self._pace()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._chunk and not self._writing:
            if self._waiting:
                # Not at once: those who come in the same moment are read together.
                self._timer = self.loop.call_later(_LEAST_S, self._ring)
        elif self._rate > 0:
            self._timer = self.loop.call_later(max(_LEAST_S, self._steps / self._rate), self._ring)

    @property
    def _steps(self) -> float:
        """Until something happens."""
        if self._chunk:
            return self._step - self._written
        ends = self._writing[0][0] - self._written
        if self._waiting and self.running < self.times.slots:
            return min(ends, max(0.0, math.ceil(self._written - _ROUNDING) - self._written))
        return ends

    def _begin(self) -> None:
        """A step: as many of those who wait as there are slots for, and as much of the prompts as it holds."""
        while self._waiting and self.running < self.times.slots:
            self._reading.append(self._waiting.popleft())
        left = float(self.times.chunk_tokens)
        for job in self._reading:
            part = min(left, job.unread)
            job.unread -= part
            left -= part
        self._chunk = self.times.chunk_tokens - left
        self._step = round(self._written) + 1

    def _pace(self) -> None:
        times, writing = self.times, len(self._writing)
        going = max(0.0, 1 - self.held)
        more_s = times.step_per_answer_s * writing
        step_s = times.step_s + more_s if writing else 0.0
        if self._chunk:
            # Weights are read once for both: a step with a little of a prompt takes as long as one with none.
            self._rate = going / max(self._chunk / times.read_tokens_per_s + more_s, step_s)
        else:
            self._rate = going / step_s if writing else 0.0

    def _ring(self) -> None:
        self._timer = None
        self.turn()
        if self._chunk and self._step - self._written <= _ROUNDING:
            self._read()
        while self._writing and self._writing[0][0] - self._written <= _ROUNDING:
            _tell(heapq.heappop(self._writing)[2].last)
        if not self._writing and not self._chunk:
            self._written = 0.0
        if not self._chunk and abs(self._written - round(self._written)) <= _ROUNDING:
            self._begin()
        self._plan()

    def _read(self) -> None:
        """The step has ended. First tokens come with the last one of a prompt."""
        self._written, self._chunk = float(self._step), 0.0
        while self._reading and self._reading[0].unread <= _ROUNDING:
            job = self._reading.popleft()
            _tell(job.first)
            heapq.heappush(self._writing, (self._written + job.answer_tokens - 1, next(self._order), job))


def _tell(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
