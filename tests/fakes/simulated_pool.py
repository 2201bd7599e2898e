"""A predictor pool in virtual time, behind a concurrency limit: what it answers, and how long its first tokens take.

Events instead of sockets and sleeping: a quarter of an hour of traffic takes a second.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from tandem.adapters.scripted.clock import ScriptedClock


class Limit(Protocol):
    """What is measured here."""

    @property
    def value(self) -> int: ...

    def running(self, count: int) -> None: ...

    def asked(self) -> int: ...

    def first_token(self, ticket: int, latency_s: float) -> None: ...

    def pushed_back(self, ticket: int) -> None: ...


@dataclass(frozen=True)
class Served:
    """How a pool serves. `slots` by time; a request that finds them taken waits inside the pool, or is shed there.

    `prefill_s` is a first token's own time and `decode_s` the rest of the answer's; `spread` the sigma of their
    lognormal factors. With `serial` prefills follow each other, and each running stream slows the others by `crowding`
    of its own pace. `others` are slots that someone else's requests take, by time.
    """

    slots: Callable[[float], int]
    prefill_s: Callable[[float], float]
    decode_s: float
    spread: float = 0.3
    sheds: bool = False
    serial: bool = False
    crowding: float = 0.0


@dataclass
class Outcome:
    """Of the time after the warm-up. `waits_s`: what first tokens took above the pool's own time for them."""

    done: int = 0
    good: int = 0
    shed: int = 0
    asked: int = 0
    refused: int = 0
    first_s: list[float] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)


@dataclass(eq=False)
class Request:
    arrived_s: float
    prefill_s: float
    decode_s: float
    asked_s: float = 0.0
    ticket: int = 0
    first_s: float = 0.0


class Simulation:
    """Open-loop arrivals at `rate`; who finds no slot waits at the limit for at most `patience_s`, then leaves."""

    def __init__(
        self,
        served: Served,
        limit: Limit,
        clock: ScriptedClock,
        *,
        rate: Callable[[float], float],
        patience_s: float,
        good_s: float,
        seed: int = 1,
    ) -> None:
        self._served = served
        self._limit = limit
        self._clock = clock
        self._rate = rate
        self._patience_s = patience_s
        self._good_s = good_s
        self._random = random.Random(seed)
        self._began_s = clock.monotonic_s()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._queue: deque[Request] = deque()
        self._inside: deque[Request] = deque()
        self._running = 0
        self._busy = 0
        self._prefill_free_s = 0.0
        self._from_s = 0.0
        self.outcome = Outcome()

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return self._clock.monotonic_s() - self._began_s

    def run(self, duration_s: float, *, warm_up_s: float) -> Outcome:
        """Let it run; the outcome tells of what arrived after the warm-up."""
        self._from_s = warm_up_s
        self._at(0.0, self._arrive)
        while self._events and self._events[0][0] <= duration_s:
            when_s, _, event = heapq.heappop(self._events)
            self._clock.advance(when_s - self.now_s)
            event()
            if not self.outcome.limits or self.outcome.limits[-1][1] != self._limit.value:
                self.outcome.limits.append((self.now_s, self._limit.value))
        return self.outcome

    def _at(self, after_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_s + after_s, next(self._order), event))

    def _factor(self) -> float:
        spread = self._served.spread
        return self._random.lognormvariate(-spread * spread / 2, spread)

    def _arrive(self) -> None:
        self._at(self._random.expovariate(self._rate(self.now_s)), self._arrive)
        served = self._served
        request = Request(self.now_s, served.prefill_s(self.now_s) * self._factor(), served.decode_s * self._factor())
        self._queue.append(request)
        self._fill()

    def _fill(self) -> None:
        while self._queue and self._queue[0].arrived_s < self.now_s - self._patience_s:
            self._queue.popleft()
            self.outcome.refused += 1
        while self._queue and self._running < self._limit.value:
            request = self._queue.popleft()
            self._running += 1
            self._limit.running(self._running)
            request.asked_s = self.now_s
            request.ticket = self._limit.asked()
            self._ask(request)

    def _ask(self, request: Request) -> None:
        self.outcome.asked += 1
        if self._busy < self._served.slots(self.now_s):
            self._serve(request)
        elif self._served.sheds:
            self._at(0.001, lambda: self._shed(request))
        else:
            self._inside.append(request)

    def _shed(self, request: Request) -> None:
        self.outcome.shed += 1
        self._limit.pushed_back(request.ticket)
        self._running -= 1
        self._fill()

    def _serve(self, request: Request) -> None:
        self._busy += 1
        slower = 1 + self._served.crowding * self._busy
        starts_s = max(self.now_s, self._prefill_free_s) if self._served.serial else self.now_s
        first_s = starts_s + request.prefill_s - self.now_s
        self._prefill_free_s = starts_s + request.prefill_s
        self._at(first_s, lambda: self._first(request))
        self._at(first_s + request.decode_s * slower, lambda: self._end(request))

    def _first(self, request: Request) -> None:
        request.first_s = self.now_s
        if request.arrived_s >= self._from_s:
            self.outcome.first_s.append(self.now_s - request.arrived_s)
            self.outcome.waits_s.append(self.now_s - request.asked_s - request.prefill_s)
        self._limit.first_token(request.ticket, self.now_s - request.asked_s)
        self._fill()

    def _end(self, request: Request) -> None:
        if self.now_s >= self._from_s:
            self.outcome.done += 1
            self.outcome.good += request.first_s - request.asked_s - request.prefill_s <= self._good_s
        self._busy -= 1
        self._running -= 1
        self._next()
        self._fill()

    def _next(self) -> None:
        while self._inside and self._busy < self._served.slots(self.now_s):
            self._serve(self._inside.popleft())
