"""The background gives way to people of other processes, too: each tells how many slots its own want, and looks."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tandem.admission.turnstile import Turnstile
from tandem.domain.errors import TandemError
from tandem.ports.clock import Clock
from tandem.ports.demand import SharedDemand, Told

_log = logging.getLogger("tandem.background")
# Twice within the second in which the background is to leave.
_EVERY_S = 0.4
# Told again while people are there; who has not told for longer than the other is gone.
_AGAIN_S = 1.0
_GONE_S = 4.0
_FORGOTTEN_S = 60.0


@dataclass(slots=True)
class _Heard:
    turn: int
    at_s: float


class YieldingElsewhere:
    """One for a process, whose name no other one ever has. Its own clock alone tells who has not been heard for long: clocks of others may be wrong."""

    def __init__(self, gates: Mapping[str, Turnstile], demand: SharedDemand, clock: Clock, *, process: str) -> None:
        self._gates = gates
        self._demand = demand
        self._clock = clock
        self._process = process
        self._told = Told(0)
        self._peaks: Mapping[str, int] = {}
        self._told_s = clock.monotonic_s()
        self._heard: dict[str, _Heard] = {}
        self._lost = False

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await self.turn()
                await asyncio.sleep(_EVERY_S)
        finally:
            if self._told.wanted:
                await asyncio.shield(self._leave())

    async def turn(self) -> None:
        """Tell and look, once. A store that does not answer is no fault of the pools': first tokens still tell."""
        try:
            await self._tell()
            await self._look()
        except TandemError as error:
            if not self._lost:
                _log.warning("what other processes want of the models cannot be seen: %s", error.message)
            self._lost = True
            self._yield_to({})
        else:
            self._lost = False

    async def _tell(self) -> None:
        peaks = {name: gate.most_wanted() for name, gate in self._gates.items()}
        # Those of the turn before as well: each is to be seen by everybody's next look.
        wanted = {name: most for name, peak in peaks.items() if (most := max(peak, self._peaks.get(name, 0)))}
        self._peaks = peaks
        now_s = self._clock.monotonic_s()
        if wanted != self._told.wanted or (wanted and now_s - self._told_s > _AGAIN_S):
            told = Told(self._told.turn + 1, wanted)
            await self._demand.tell(self._process, told)
            self._told, self._told_s = told, now_s

    async def _look(self) -> None:
        if not any(gate.background for gate in self._gates.values()):
            return
        now_s, wanted = self._clock.monotonic_s(), dict.fromkeys(self._gates, 0)
        everybody = await self._demand.all()
        for process, told in everybody.items():
            if process == self._process:
                continue
            heard = self._heard.get(process)
            if heard is None or heard.turn != told.turn:
                self._heard[process] = heard = _Heard(told.turn, now_s)
            if now_s - heard.at_s < _GONE_S:
                for name in wanted.keys() & told.wanted.keys():
                    wanted[name] += told.wanted[name]
            elif now_s - heard.at_s > _FORGOTTEN_S and told.wanted:
                await self._demand.drop(process)
        self._heard = {process: heard for process, heard in self._heard.items() if process in everybody}
        self._yield_to(wanted)

    def _yield_to(self, wanted: Mapping[str, int]) -> None:
        for name, gate in self._gates.items():
            gate.wanted_elsewhere(wanted.get(name, 0))

    async def _leave(self) -> None:
        try:
            await self._demand.drop(self._process)
        except TandemError:
            _log.debug("others will notice that this process tells nothing any more")
