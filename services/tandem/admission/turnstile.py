"""The way into a predictor pool: as many at a time as its limit says, the others wait their turn or are sent away."""

import asyncio
import math

from tandem.admission.background import Background
from tandem.admission.claim import Claim
from tandem.admission.drain import Drain
from tandem.admission.fair_queue import FairQueue
from tandem.admission.leftover import Leftover
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.slot import Slot
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


class Turnstile:
    """One per pool. `max_waiting` requests wait at most, none longer than `max_wait_s`.

    A queue takes up a burst; one that stands is only delay. So while it stands, as many may wait as will be served in
    three quarters of the time that an answer takes, and who has waited longer than that is dropped first, after the
    idea of controlled delay (Nichols and Jacobson, 2012). Times come from how long slots are held. First come, first
    served stays: with a queue this short, last come first answered as many (2,424 of 16 slots in a minute at four times
    the load) with a p99 wait of 1.7 s instead of 0.4 s at twice the load, and refused after seconds, not at once.

    Claims in the background have a queue of their own. They get what is left over while nobody else waits, but for some
    slots for who comes next, and whoever comes has as many of theirs called back as are in its way, the youngest first.
    """

    def __init__(self, limit: AdaptiveLimit, *, max_waiting: int, max_wait_s: float, clock: Clock) -> None:
        self._limit = limit
        self._queue = FairQueue()
        self._background = Background()
        self._leftover = Leftover(limit)
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._running = 0
        self._most_wanted = self._elsewhere = 0
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
        """Requests that wait for one, but for those in the background."""
        return len(self._queue)

    @property
    def in_background(self) -> int:
        """Slots taken in the background; `running` has them, too."""
        return self._background.running

    @property
    def waiting_in_background(self) -> int:
        """Requests in the background that wait for a slot."""
        return len(self._background.queue)

    @property
    def background(self) -> bool:
        """True while anything runs or waits in the background."""
        return bool(self._background.running or self._background.queue)

    def most_wanted(self) -> int:
        """The most slots at a time that people held or waited for since this was asked last."""
        most, self._most_wanted = self._most_wanted, self._wanted
        return most

    def wanted_elsewhere(self, slots: int) -> None:
        """So many of the pool's slots people want in other processes; the background leaves them free."""
        self._elsewhere = slots
        self._recall()
        self.fill()

    def expected_wait_s(self) -> float:
        """How long a new request of normal priority would wait; 0 when a slot is free, or would be given back for it."""
        if self._has_slot() or (self._background.running and self._wanted < self._limit.value):
            return 0.0
        return (self._queue.ahead(Priority.normal) + 1) * self._gap_s(self._clock.monotonic_s())

    def refusal(self, claim: Claim) -> Overloaded | None:
        """What `take` would raise at once; None when it would give a slot or wait for one. Changes nothing."""
        if self._has_slot_for(claim):
            return None
        now_s = self._clock.monotonic_s()
        return None if self._queue_of(claim).has_room(claim, self._room_for(claim, now_s)) else self._full(now_s)

    async def take(self, claim: Claim, context: RequestContext) -> "Slot":
        """A slot as soon as it is this claim's turn, to be freed by whoever took it.

        Raises `Overloaded` when there is no room to wait, or when it waited too long or gave way to another tenant, and
        `DeadlineExceeded("queue")` when an answer cannot begin in time any more. Cancelling it leaves no trace.
        """
        arrived_s = self._clock.monotonic_s()
        if context.deadline_s is not None and context.deadline_s <= arrived_s:
            raise DeadlineExceeded("queue")
        queue = self._queue_of(claim)
        if self._has_slot_for(claim):
            queue.took(claim)
            return self._start(claim, arrived_s, arrived_s)
        room = self._room_for(claim, arrived_s)
        if not queue.has_room(claim, room):
            raise self._full(arrived_s)
        return await self._wait(queue, claim, arrived_s, context.deadline_s, room)

    def free(self, slot: Slot) -> None:
        """A slot is free again, unless it was taken away from its holder before."""
        held_s = (now_s := self._clock.monotonic_s()) - slot.taken_s
        self._leftover.freed(slot, now_s)
        if not slot.claim.background:
            self._drain.freed(held_s, now_s)
            self._give_back(slot.claim, held_s)
        elif self._background.back(slot):
            # What is called back says nothing of how long answers take.
            self._drain.taken(now_s)
            # Whoever waits for it has not waited for others like themselves.
            self._queued_since_s = now_s
            self._give_back(slot.claim, held_s)

    def first_token(self, slot: Slot, now_s: float) -> None:
        """One came: the limits follow, and may let somebody in."""
        self._leftover.first_token(slot, now_s, beside=self._background.running > 0)
        self.fill()

    def fill(self) -> None:
        """Lets in whoever has a slot now: one was freed, or the limit has risen."""
        now_s = self._clock.monotonic_s()
        if self._queue:
            self._drop_late(now_s)
            self._let_in(self._queue, now_s)
            if not self._queue:
                self._emptied_s = now_s
            self._recall()
        if not self._queue and self._background.queue:
            self._let_in(self._background.queue, now_s)

    def _let_in(self, queue: FairQueue, now_s: float) -> None:
        while queue and self._running < (self._limit.value if queue is self._queue else self._entry):
            waiter = queue.pop()
            # Cancelled ones are still here when their task has not run since.
            if waiter.granted.done() or self._is_too_late(waiter, now_s):
                queue.gave_back(waiter.claim, None)
            else:
                waiter.granted.set_result(self._start(waiter.claim, waiter.arrived_s, now_s))

    def _recall(self) -> None:
        """As many slots of the background as those who wait need. Whenever somebody has come."""
        self._most_wanted = max(self._most_wanted, self._wanted)
        background = self._background
        wanted = self._wanted + self._elsewhere
        while background.lent and wanted + background.lent > self._leftover.value:
            background.recall(self.free)

    async def _wait(
        self, queue: FairQueue, claim: Claim, arrived_s: float, deadline_s: float | None, room: int
    ) -> Slot:
        loop = asyncio.get_running_loop()
        waiter = Waiter(claim, arrived_s, deadline_s, loop.create_future())
        if queue is self._queue and not queue and arrived_s - self._emptied_s > self._short_s():
            self._queued_since_s = arrived_s
        gone = queue.add(waiter, room)
        if gone is not None:
            gone.tell(self._full(arrived_s))
        hurried = deadline_s is not None and deadline_s - arrived_s < self._max_wait_s
        longest_s = deadline_s - arrived_s if deadline_s is not None and hurried else self._max_wait_s
        timer = loop.call_later(longest_s, self._give_up, waiter, hurried)
        if queue is self._queue:
            self._recall()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                self._never_used(waiter.granted.result())
            else:
                queue.remove(waiter)
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiter: Waiter, hurried: bool) -> None:
        if self._queue_of(waiter.claim).remove(waiter):
            waiter.tell(DeadlineExceeded("queue") if hurried else self._full(self._clock.monotonic_s()))

    def _never_used(self, slot: Slot) -> None:
        if not slot.claim.background or self._background.back(slot):
            self._give_back(slot.claim, None)

    def _give_back(self, claim: Claim, held_s: float | None) -> None:
        self._running -= 1
        self._queue_of(claim).gave_back(claim, held_s)
        self.fill()

    def _start(self, claim: Claim, arrived_s: float, now_s: float) -> Slot:
        self._running += 1
        self._drain.taken(now_s)
        self._limit.running(self._running)
        slot = Slot(
            self, self._limit, self._clock, claim, now_s, now_s - arrived_s, among=self._running + self._elsewhere
        )
        self._leftover.taken(slot)
        if claim.background:
            if not self._background.running:
                self._leftover.begin(now_s)
            self._background.lend(slot)
        else:
            self._recall()
        return slot

    def _queue_of(self, claim: Claim) -> FairQueue:
        return self._background.queue if claim.background else self._queue

    @property
    def _wanted(self) -> int:
        """Slots that others than the background hold or wait for."""
        return self._running - self._background.running + len(self._queue)

    @property
    def _entry(self) -> int:
        """As many may run with the next one of the background. Half a standard deviation of those that people hold stays
        free, unless more is being tried: to be called back is work for nothing.
        """
        spare = round(math.sqrt(self._wanted + self._elsewhere) / 2) if self._leftover.settled else 0
        return self._leftover.entry - spare - self._elsewhere

    def _has_slot_for(self, claim: Claim) -> bool:
        if not claim.background:
            return self._has_slot()
        return not self._queue and not self._background.queue and self._running < self._entry

    def _room_for(self, claim: Claim, now_s: float) -> int:
        return self._max_waiting if claim.background else self._room(now_s)

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
        """How many may wait: as many as are served before they have waited too long, or get a slot of the background."""
        given_back = self._background.running
        if self._drain.held_s is None or not self._queue:
            return self._max_waiting + given_back
        return given_back + min(self._max_waiting, max(1, int(self._longest_s(now_s) / self._gap_s(now_s))))

    def _longest_s(self, now_s: float) -> float:
        return self._short_s() if self._lasts(now_s) else self._max_wait_s

    def _short_s(self) -> float:
        return min(self._max_wait_s, max(_LEAST_WAIT_S, _LONGEST_SHARE * (self._drain.held_s or 0.0)))

    def _lasts(self, now_s: float) -> bool:
        if self._drain.held_s is None or not self._queue or self._background.running:
            return False
        lasting_s = min(self._max_wait_s, max(_LEAST_LASTING_S, _LASTING * self._drain.held_s))
        return now_s - self._queued_since_s > lasting_s

    def _gap_s(self, now_s: float) -> float:
        return max(1e-6, self._drain.gap_s(self._limit.value, now_s))

    def _full(self, now_s: float) -> Overloaded:
        wait_s = (len(self._queue) + 1) * self._gap_s(now_s)
        return Overloaded("Too many requests are waiting for the model.", retry_after_s=wait_s)
