"""Where records go from the spool: a collector, files, the store of receipts."""

from collections.abc import Sequence
from typing import Protocol

from tandem.domain.record import AnswerRecord


class Sink(Protocol):
    """Records come at least once, in the order of the spool; one that comes again has the same id and counts once."""

    @property
    def name(self) -> str:
        """For metrics and for how far the spool is shipped: a sink that changes it starts from the beginning."""
        ...

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """Returns when they are safe there.

        Raises `UpstreamUnavailable` and `Overloaded` (its `retry_after_s` is heeded) when it may work later, and
        `DocumentRejected` when these records will never be taken; then nothing of them is there.
        """
        ...
