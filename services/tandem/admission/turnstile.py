"""The way into a predictor pool: as many at a time as its limit says, the others wait their turn or are sent away."""

import asyncio

from tandem.admission.claim import Claim
from tandem.admission.drain import Drain
from tandem.admission.fair_queue import FairQueue
from tandem.admission.limit import NO_TICKET, AdaptiveLimit
from tandem.admission.waiter import Waiter
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded
from tandem.domain.tenants import Priority
from tandem.ports.clock import Clock

__all__ = ["Claim", "Slot", "Turnstile"]

# Under lasting overload nobody waits for longer than this part of an answer: more would add delay, not throughput.
_LONGEST_SHARE = 0.75
# Overload lasts when somebody has been waiting, with no break of that part of one, for so many answers' time.
_LASTING = 3.0
# However quick the answers are: what this process's own delays may look like.
_LEAST_WAIT_S = 0.02
_LEAST_LASTING_S = 0.1
# A server that takes so many times its usual first token says nothing, whoever stopped waiting for it. Never sooner than
# the second, nor than the third while nothing is known of it.
_SILENCE = 10.0
_LEAST_SILENCE_S = 1.0
_UNKNOWN_SILENCE_S = 10.0


class Turnstile:
    """One per pool. `max_waiting` requests wait at most, none longer than `max_wait_s`.

    A queue takes up a burst; one that stands is only delay. So while it stands, as many may wait as will be served in
    three quarters of the time that an answer takes, and who has waited longer than that is dropped first, after the
    idea of controlled delay (Nichols and Jacobson, 2012). Times come from how long slots are held. First come, first
    served stays: with a queue this short, last come first answered as many (2,424 of 16 slots in a minute at four times
    the load) with a p99 wait of 1.7 s instead of 0.4 s at twice the load, and refused after seconds, not at once.
    """

    def __init__(self, limit: AdaptiveLimit, *, max_waiting: int, max_wait_s: float, clock: Clock) -> None:
        self._limit = limit
        self._queue = FairQueue()
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._running = 0
        self._drain = Drain(clock.monotonic_s())
        self._queued_since_s = self._emptied_s = clock.monotonic_s()

    @property
    def limit(self) -> int:
        """Requests at a time, now."""
        return self._limit.value

    @property
    def running(self) -> int:
        """Slots taken."""
        return self._running

    @property
    def waiting(self) -> int:
        """Requests that wait for one."""
        return len(self._queue)

    def expected_wait_s(self) -> float:
        """How long a new request of normal priority would wait; 0 when a slot is free."""
        if self._has_slot():
            return 0.0
        return (self._queue.ahead(Priority.normal) + 1) * self._gap_s(self._clock.monotonic_s())

    def refusal(self, claim: Claim) -> Overloaded | None:
        """What `take` would raise at once; None when it would give a slot or wait for one. Changes nothing."""
        if self._has_slot():
            return None
        now_s = self._clock.monotonic_s()
        return None if self._queue.has_room(claim, self._room(now_s)) else self._full(now_s)

    async def take(self, claim: Claim, context: RequestContext) -> "Slot":
        """A slot as soon as it is this claim's turn, to be freed by whoever took it.

        Raises `Overloaded` when there is no room to wait, or when it waited too long or gave way to another tenant, and
        `DeadlineExceeded("queue")` when an answer cannot begin in time any more. Cancelling it leaves no trace.
        """
        arrived_s = self._clock.monotonic_s()
        if context.deadline_s is not None and context.deadline_s <= arrived_s:
            raise DeadlineExceeded("queue")
        if self._has_slot():
            self._queue.took(claim)
            self._start(arrived_s)
            return Slot(self, self._limit, self._clock, claim, arrived_s, 0.0)
        room = self._room(arrived_s)
        if not self._queue.has_room(claim, room):
            raise self._full(arrived_s)
        await self._wait(claim, arrived_s, context.deadline_s, room)
        now_s = self._clock.monotonic_s()
        return Slot(self, self._limit, self._clock, claim, now_s, now_s - arrived_s)

    def free(self, claim: Claim, taken_s: float) -> None:
        """A slot is free again."""
        now_s = self._clock.monotonic_s()
        self._drain.freed(now_s - taken_s, now_s)
        self._give_back(claim, now_s - taken_s)

    def fill(self) -> None:
        """Lets in whoever has a slot now: one was freed, or the limit has risen."""
        if not self._queue:
            return
        now_s = self._clock.monotonic_s()
        self._drop_late(now_s)
        while self._queue and self._running < self._limit.value:
            waiter = self._queue.pop()
            # Cancelled ones are still here when their task has not run since.
            if waiter.granted.done() or self._is_too_late(waiter, now_s):
                self._queue.gave_back(waiter.claim, None)
            else:
                self._start(now_s)
                waiter.granted.set_result(None)
        if not self._queue:
            self._emptied_s = now_s

    async def _wait(self, claim: Claim, arrived_s: float, deadline_s: float | None, room: int) -> None:
        loop = asyncio.get_running_loop()
        waiter = Waiter(claim, arrived_s, deadline_s, loop.create_future())
        if not self._queue and arrived_s - self._emptied_s > self._short_s():
            self._queued_since_s = arrived_s
        gone = self._queue.add(waiter, room)
        if gone is not None:
            gone.tell(self._full(arrived_s))
        hurried = deadline_s is not None and deadline_s - arrived_s < self._max_wait_s
        longest_s = deadline_s - arrived_s if deadline_s is not None and hurried else self._max_wait_s
        timer = loop.call_later(longest_s, self._give_up, waiter, hurried)
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                self._give_back(claim, None)
            else:
                self._queue.remove(waiter)
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiter: Waiter, hurried: bool) -> None:
        if self._queue.remove(waiter):
            waiter.tell(DeadlineExceeded("queue") if hurried else self._full(self._clock.monotonic_s()))

    def _give_back(self, claim: Claim, held_s: float | None) -> None:
        self._running -= 1
        self._queue.gave_back(claim, held_s)
        self.fill()

    def _start(self, now_s: float) -> None:
        self._running += 1
        self._drain.taken(now_s)
        self._limit.running(self._running)

    def _drop_late(self, now_s: float) -> None:
        """While the overload lasts, the ones that waited too long, as long as enough others are there."""
        if not self._lasts(now_s):
            return
        late_s = now_s - self._longest_s(now_s)
        room = self._room(now_s)
        newest, oldest = self._queue.newest, self._queue.oldest
        # Behind a burst that is over nobody comes who would be better off.
        if newest is None or newest.arrived_s < late_s:
            return
        while oldest is not None and oldest.arrived_s < late_s and len(self._queue) > room:
            self._queue.remove(oldest)
            oldest.tell(self._full(now_s))
            oldest = self._queue.oldest

    def _is_too_late(self, waiter: Waiter, now_s: float) -> bool:
        """True, and told, when even the usual first token would come after its deadline."""
        if waiter.deadline_s is None or waiter.deadline_s - now_s >= (self._limit.baseline_s or 0.0):
            return False
        waiter.tell(DeadlineExceeded("queue"))
        return True

    def _has_slot(self) -> bool:
        return not self._queue and self._running < self._limit.value

    def _room(self, now_s: float) -> int:
        """How many may wait: as many as are served before they have waited too long."""
        if self._drain.held_s is None or not self._queue:
            return self._max_waiting
        return min(self._max_waiting, max(1, int(self._longest_s(now_s) / self._gap_s(now_s))))

    def _longest_s(self, now_s: float) -> float:
        return self._short_s() if self._lasts(now_s) else self._max_wait_s

    def _short_s(self) -> float:
        return min(self._max_wait_s, max(_LEAST_WAIT_S, _LONGEST_SHARE * (self._drain.held_s or 0.0)))

    def _lasts(self, now_s: float) -> bool:
        if self._drain.held_s is None or not self._queue:
            return False
        lasting_s = min(self._max_wait_s, max(_LEAST_LASTING_S, _LASTING * self._drain.held_s))
        return now_s - self._queued_since_s > lasting_s

    def _gap_s(self, now_s: float) -> float:
        return max(1e-6, self._drain.gap_s(self._limit.value, now_s))

    def _full(self, now_s: float) -> Overloaded:
        wait_s = (len(self._queue) + 1) * self._gap_s(now_s)
        return Overloaded("Too many requests are waiting for the model.", retry_after_s=wait_s)


class Slot:
    """The right to ask the pool, told how it went. `waited_s`: how long it took to come."""

    __slots__ = ("_asked_s", "_claim", "_clock", "_limit", "_taken_s", "_ticket", "_turnstile", "waited_s")

    def __init__(
        self, turnstile: Turnstile, limit: AdaptiveLimit, clock: Clock, claim: Claim, taken_s: float, waited_s: float
    ) -> None:
        self._turnstile = turnstile
        self._limit = limit
        self._clock = clock
        self._claim = claim
        self._taken_s = taken_s
        self._ticket = NO_TICKET
        self._asked_s = taken_s
        self.waited_s = waited_s

    def asked(self) -> None:
        """The request goes to the pool now, or once more."""
        self._lost()
        self._ticket = self._limit.asked()
        self._asked_s = self._clock.monotonic_s()

    def first_token(self) -> None:
        """The first token came."""
        ticket, self._ticket = self._ticket, NO_TICKET
        self._limit.first_token(ticket, self._clock.monotonic_s() - self._asked_s)
        self._turnstile.fill()

    @property
    def silent(self) -> bool:
        """True when a first token should have come long ago."""
        usual_s = self._limit.baseline_s
        longest_s = _UNKNOWN_SILENCE_S if usual_s is None else max(_LEAST_SILENCE_S, _SILENCE * usual_s)
        return self._clock.monotonic_s() - self._asked_s > longest_s

    def pushed_back(self) -> None:
        """The pool answered that it has no room."""
        ticket, self._ticket = self._ticket, NO_TICKET
        self._limit.lost(ticket)
        self._limit.pushed_back(ticket)

    def free(self) -> None:
        """It is over. To be called once."""
        self._lost()
        self._turnstile.free(self._claim, self._taken_s)

    def _lost(self) -> None:
        if self._ticket != NO_TICKET:
            self._limit.lost(self._ticket, self._clock.monotonic_s() - self._asked_s)
