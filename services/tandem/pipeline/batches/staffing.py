"""Pods of its own for a batch whose lines wait apart, as long as it has lines to answer."""

import logging
from dataclasses import dataclass

from tandem.domain.batch import Batch
from tandem.domain.errors import TandemError
from tandem.domain.job import BATCHES
from tandem.ports.batch_pods import BatchPods

_log = logging.getLogger("tandem.batches")


@dataclass(frozen=True, slots=True)
class Staffing:
    """Whoever runs pods may have none to give now, or be away: that is said, and tried at the next look."""

    pods: BatchPods

    async def staff(self, batch: Batch) -> None:
        """They are there, or come again."""
        if batch.queue == BATCHES:
            return
        try:
            if not await self.pods.alive(batch.id):
                await self.pods.start(batch.id, batch.total)
        except TandemError as error:
            _log.warning("a batch has no pods: %s", error.message, extra={"batch": batch.id})

    async def let_go(self, batch: Batch) -> None:
        """Of one that is over: pods that run end by themselves, others would come for nothing."""
        if batch.queue == BATCHES or batch.status == "completed":
            return
        try:
            await self.pods.stop(batch.id)
        except TandemError as error:
            _log.warning("pods of a batch may still come: %s", error.message, extra={"batch": batch.id})
