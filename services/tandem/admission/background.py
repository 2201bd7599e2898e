"""Slots that nobody waits for are lent to work in the background, and called back as soon as somebody does."""

import asyncio
from collections.abc import Callable

from tandem.admission.fair_queue import FairQueue
from tandem.admission.slot import Slot

# Until a slot that was called back counts as free, however long its holder takes to leave.
_GRACE_S = 0.5


class Background:
    """Who waits in the background, in `queue`, and who holds a slot there. The youngest has done the least: it goes first."""

    def __init__(self) -> None:
        self.queue = FairQueue()
        # From the oldest to the youngest.
        self._lent: dict[Slot, None] = {}
        self._leaving: dict[Slot, asyncio.TimerHandle] = {}

    @property
    def running(self) -> int:
        """Slots held, those of holders that are about to leave among them."""
        return len(self._lent) + len(self._leaving)

    @property
    def leaving(self) -> int:
        """Slots that were called back and are not free yet."""
        return len(self._leaving)

    @property
    def lent(self) -> int:
        """Slots that can be called back."""
        return len(self._lent)

    def lend(self, slot: Slot) -> None:
        """It is held in the background from now on."""
        self._lent[slot] = None

    def recall(self, take_away: Callable[[Slot], None]) -> None:
        """Call the youngest one back. There must be one. `take_away` is called when its holder has not left in time."""
        slot, _ = self._lent.popitem()
        self._leaving[slot] = asyncio.get_running_loop().call_later(_GRACE_S, take_away, slot)
        slot.recall()

    def back(self, slot: Slot) -> bool:
        """It is free. False when it was already."""
        if slot in self._lent:
            del self._lent[slot]
            return True
        timer = self._leaving.pop(slot, None)
        if timer is None:
            return False
        timer.cancel()
        return True
