"""From the spool into the store of receipts."""

from collections.abc import Sequence

from tandem.domain.errors import ConfigurationError, StoreBusy, StoreFull, UpstreamUnavailable
from tandem.domain.record import AnswerRecord
from tandem.pipeline.in_flight import InFlight
from tandem.ports.receipts import Receipts


class ReceiptSink:
    """`ports/sink.py`. A store that is full, or whose schema is still to come, may be another in a while."""

    name = "receipts"

    def __init__(self, store: Receipts, in_flight: InFlight) -> None:
        self._store = store
        self._in_flight = in_flight

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """See the port."""
        try:
            await self._store.keep(records)
        except (StoreBusy, StoreFull, ConfigurationError) as error:
            raise UpstreamUnavailable(error.message, hint=error.hint, stage="state") from error
        self._in_flight.arrived(records)
