"""A simulated pool whose callers leave when their first token has not come in time, and take their request along."""

from collections.abc import Callable

from fakes.simulated_pool import Request, Served, Simulation
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.admission.limit import AdaptiveLimit


class Impatient(Simulation):
    """Callers leave `leave_s` after they came, and are refused when they have waited at the limit for a third of it."""

    def __init__(
        self,
        served: Served,
        limit: AdaptiveLimit,
        clock: ScriptedClock,
        *,
        rate: Callable[[float], float],
        leave_s: float,
        seed: int = 1,
    ) -> None:
        super().__init__(served, limit, clock, rate=rate, patience_s=leave_s / 3, good_s=leave_s, seed=seed)
        self._leave_s = leave_s
        self._adaptive = limit
        self._left: set[Request] = set()

    def _ask(self, request: Request) -> None:
        super()._ask(request)
        self._at(request.arrived_s + self._leave_s - self.now_s, lambda: self._leave(request))

    def _leave(self, request: Request) -> None:
        if request.first_s:
            return
        self._left.add(request)
        self._adaptive.lost(request.ticket, self.now_s - request.asked_s)
        self._running -= 1
        if request in self._inside:
            self._inside.remove(request)
        else:
            self._busy -= 1
            self._next()
        self._fill()

    def _first(self, request: Request) -> None:
        if request not in self._left:
            super()._first(request)

    def _end(self, request: Request) -> None:
        if request not in self._left:
            super()._end(request)
