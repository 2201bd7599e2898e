"""The way into a predictor pool: as many at a time as its limit says, the others wait their turn or are sent away."""

import asyncio
from types import TracebackType

from tandem.admission.claim import Claim
from tandem.admission.fair_queue import FairQueue, Waiter
from tandem.admission.limit import NO_TICKET, AdaptiveLimit
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded
from tandem.ports.clock import Clock

__all__ = ["Claim", "Slot", "Turnstile"]

# Weight of the newest request in the mean of how long slots are held, and what is assumed before the first one.
_NEWEST = 0.1
_UNKNOWN_S = 1.0


class Turnstile:
    """One per pool. `max_waiting` requests wait at most, none longer than `max_wait_s`."""

    def __init__(self, limit: AdaptiveLimit, *, max_waiting: int, max_wait_s: float, clock: Clock) -> None:
        self._limit = limit
        self._queue = FairQueue(max_waiting)
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._running = 0
        self._held_s: float | None = None
        self._freed_s = clock.monotonic_s()

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
        """How long a new request would wait; 0 when a slot is free."""
        if self._has_slot():
            return 0.0
        return (len(self._queue) + 1) * self._gap_s()

    def refusal(self, claim: Claim) -> Overloaded | None:
        """What `enter` would raise at once; None when it would give a slot or wait for one. Changes nothing."""
        if self._has_slot() or self._queue.has_room(claim):
            return None
        return self._full()

    def enter(self, claim: Claim, context: RequestContext) -> "_Entry":
        """A slot, held while the context lasts, as soon as it is this claim's turn. Leaving frees it.

        Raises `Overloaded` when there is no room to wait, or when it waited too long, and `DeadlineExceeded`.
        Cancelling it leaves no trace.
        """
        return _Entry(self, claim, context)

    async def take(self, claim: Claim, context: RequestContext) -> "Slot":
        """A slot that the caller frees."""
        arrived_s = self._clock.monotonic_s()
        if context.deadline_s is not None and context.deadline_s <= arrived_s:
            raise DeadlineExceeded("queue")
        if self._has_slot():
            self._queue.took(claim)
            self._started()
            return Slot(self, self._limit, self._clock, claim, arrived_s, 0.0)
        if not self._queue.has_room(claim):
            raise self._full()
        await self._wait(claim, arrived_s, context)
        now_s = self._clock.monotonic_s()
        return Slot(self, self._limit, self._clock, claim, now_s, now_s - arrived_s)

    def free(self, claim: Claim, taken_s: float) -> None:
        """A slot is free again."""
        self._freed_s = self._clock.monotonic_s()
        held_s = self._freed_s - taken_s
        self._held_s = held_s if self._held_s is None else self._held_s + _NEWEST * (held_s - self._held_s)
        self._give_back(claim)

    def follow(self) -> None:
        """The limit may have changed: lets in whoever has a slot now."""
        self._fill()

    async def _wait(self, claim: Claim, arrived_s: float, context: RequestContext) -> None:
        loop = asyncio.get_running_loop()
        waiter = Waiter(claim, arrived_s, loop.create_future())
        pushed = self._queue.add(waiter)
        if pushed is not None:
            _tell(pushed, self._full())
        left_s = None if context.deadline_s is None else context.deadline_s - arrived_s
        if left_s is not None and left_s < self._max_wait_s:
            timer = loop.call_later(left_s, self._give_up, waiter, DeadlineExceeded("queue"))
        else:
            timer = loop.call_later(self._max_wait_s, self._give_up, waiter, None)
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                self._give_back(claim)
            else:
                self._queue.remove(waiter)
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiter: Waiter, error: Exception | None) -> None:
        if self._queue.remove(waiter):
            _tell(waiter, error or self._full())

    def _give_back(self, claim: Claim) -> None:
        self._running -= 1
        self._queue.gave_back(claim)
        self._fill()

    def _fill(self) -> None:
        while self._queue and self._running < self._limit.value:
            waiter = self._queue.pop()
            if waiter.granted.done():
                # Cancelled, and its task has not run since.
                self._queue.gave_back(waiter.claim)
                continue
            self._started()
            waiter.granted.set_result(None)

    def _started(self) -> None:
        self._running += 1
        self._limit.running(self._running)

    def _has_slot(self) -> bool:
        return not self._queue and self._running < self._limit.value

    def _gap_s(self) -> float:
        """Seconds between two slots that become free: by how long they are held, or longer when none does."""
        held_s = _UNKNOWN_S if self._held_s is None else self._held_s
        return max(held_s / self._limit.value, self._clock.monotonic_s() - self._freed_s if self._running else 0.0)

    def _full(self) -> Overloaded:
        wait_s = (len(self._queue) + 1) * self._gap_s()
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
        self._limit.lost(self._ticket)
        self._ticket = self._limit.asked()
        self._asked_s = self._clock.monotonic_s()

    def first_token(self) -> None:
        """The first token came."""
        ticket, self._ticket = self._ticket, NO_TICKET
        self._limit.first_token(ticket, self._clock.monotonic_s() - self._asked_s)
        self._turnstile.follow()

    def pushed_back(self) -> None:
        """The pool answered that it has no room."""
        ticket, self._ticket = self._ticket, NO_TICKET
        self._limit.pushed_back(ticket)

    def free(self) -> None:
        """It is over. To be called once."""
        self._limit.lost(self._ticket)
        self._turnstile.free(self._claim, self._taken_s)


class _Entry:
    """`Turnstile.enter` as a context manager, without a generator's cost."""

    __slots__ = ("_claim", "_context", "_slot", "_turnstile")

    def __init__(self, turnstile: Turnstile, claim: Claim, context: RequestContext) -> None:
        self._turnstile = turnstile
        self._claim = claim
        self._context = context
        self._slot: Slot

    async def __aenter__(self) -> Slot:
        self._slot = await self._turnstile.take(self._claim, self._context)
        return self._slot

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._slot.free()


def _tell(waiter: Waiter, error: Exception) -> None:
    if not waiter.granted.done():
        waiter.granted.set_exception(error)
