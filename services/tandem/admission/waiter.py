"""One request that waits for a slot."""

import asyncio
from dataclasses import dataclass

from tandem.admission.claim import Claim
from tandem.admission.slot import Slot


@dataclass(eq=False, slots=True)
class Waiter:
    """Times are instants of the clock. `granted` holds its slot, or the error to raise."""

    claim: Claim
    arrived_s: float
    deadline_s: float | None
    granted: "asyncio.Future[Slot]"

    def tell(self, error: Exception) -> None:
        """It gets no slot, and why; unless that is settled already."""
        if not self.granted.done():
            self.granted.set_exception(error)
