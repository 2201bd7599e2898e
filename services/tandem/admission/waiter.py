"""One request that waits for a slot."""

import asyncio
from dataclasses import dataclass

from tandem.admission.claim import Claim


@dataclass(eq=False, slots=True)
class Waiter:
    """Times are instants of the clock. `granted` is done when it has a slot, or holds the error to raise."""

    claim: Claim
    arrived_s: float
    deadline_s: float | None
    granted: "asyncio.Future[None]"

    def tell(self, error: Exception) -> None:
        """It gets no slot, and why; unless that is settled already."""
        if not self.granted.done():
            self.granted.set_exception(error)
