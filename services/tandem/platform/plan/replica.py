"""One engine in virtual time: prompts are read in turn, short ones together as far as a step holds them; answers are written
together, a token of each at a step."""

import asyncio
import heapq
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


@dataclass(slots=True)
class Use:
    """Seconds so far: `busy_s` with anything running, `used_s` what that work takes when all slots are taken."""

    busy_s: float = 0.0
    used_s: float = 0.0


@dataclass(slots=True)
class Replica:
    """Events instead of steps: between two of them everything goes on at an even pace, so that is all there is to know.

    `hold` and `release` stop and start it: business logic in the same process, in whose way it is.
    """

    times: ServiceTimes
    loop: asyncio.AbstractEventLoop
    use: Use = field(default_factory=Use)
    held: float = 0.0
    _coming: int = 0
    _waiting: deque[Job] = field(default_factory=deque)
    _reading: list[Job] = field(default_factory=list)
    _batch: float = 0.0
    _unread: float = 0.0
    _writing: list[tuple[float, int, Job]] = field(default_factory=list)
    _written: float = 0.0
    _read_rate: float = 0.0
    _write_rate: float = 0.0
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
        self._unread -= self._read_rate * passed_s
        self._written += self._write_rate * passed_s
        self.use.busy_s += passed_s * max(0.0, 1 - self.held)
        times = self.times
        self.use.used_s += passed_s * (
            self._read_rate / times.read_tokens_per_s + self._write_rate * len(self._writing) / times.full_tokens_per_s
        )

    def _come(self, job: Job) -> None:
        self.turn()
        self._coming -= 1
        self._waiting.append(job)
        self._plan()

    def _plan(self) -> None:
        if not self._reading:
            self._begin()
        self._pace()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ends = []
        if self._read_rate > 0:
            ends.append(self._unread / self._read_rate)
        if self._write_rate > 0 and self._writing:
            ends.append((self._writing[0][0] - self._written) / self._write_rate)
        if ends:
            self._timer = self.loop.call_later(max(_LEAST_S, min(ends)), self._ring)

    def _begin(self) -> None:
        """The next prompt, and those behind it that fit into the same step: their first tokens come together."""
        self._batch = 0.0
        while self._waiting and self.running < self.times.slots:
            with_next = self._batch + self._waiting[0].prompt_tokens
            if self._reading and with_next > self.times.chunk_tokens:
                break
            self._batch = with_next
            self._reading.append(self._waiting.popleft())
        self._unread = self._batch

    def _pace(self) -> None:
        times, writing = self.times, len(self._writing)
        step_s = times.step_s + times.step_per_answer_s * writing
        self._read_rate = self._write_rate = 0.0
        if self._reading:
            # Weights are read once for both; a step with a chunk of a prompt, or all of a short one, takes as long as that.
            chunk = min(float(times.chunk_tokens), self._batch)
            chunk_s = chunk / times.read_tokens_per_s + times.step_per_answer_s * writing
            if writing:
                chunk_s = max(chunk_s, step_s)
            self._read_rate, self._write_rate = chunk / chunk_s, 1 / chunk_s
        elif writing:
            self._write_rate = 1 / step_s
        going = max(0.0, 1 - self.held)
        self._read_rate *= going
        self._write_rate *= going

    def _ring(self) -> None:
        self._timer = None
        self.turn()
        if self._reading and self._unread <= _ROUNDING:
            for job in self._reading:
                _tell(job.first)
                # The first token came with the prompt's last step.
                heapq.heappush(self._writing, (self._written + job.answer_tokens - 1, next(self._order), job))
            self._reading = []
        while self._writing and self._writing[0][0] - self._written <= _ROUNDING:
            _tell(heapq.heappop(self._writing)[2].last)
        if not self._writing:
            self._written = 0.0
        self._plan()


def _tell(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
