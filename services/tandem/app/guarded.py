"""Whatever a sink does, answers and the other sinks go on: faults that nobody foresaw end here."""

import asyncio
import logging
from collections.abc import Sequence

from tandem.domain.errors import DocumentRejected, TandemError, UpstreamUnavailable
from tandem.domain.record import AnswerRecord
from tandem.pipeline.shipping import Shipping
from tandem.ports.sink import Sink

_log = logging.getLogger("tandem.monitor")
# The fault is the records' own, perhaps: after so many in a row it is looked for among them.
_FAULTS = 5
_PAUSE_S = 60.0


class Guarded:
    """A sink whose unforeseen faults are told of in the port's words."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._faults = 0

    @property
    def name(self) -> str:
        """The sink's."""
        return self._sink.name

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """See the port."""
        try:
            await self._sink.ship(records)
        except (TandemError, TimeoutError):
            raise
        except Exception as error:
            self._faults += 1
            told = f"{type(error).__name__}: {error}"
            if self._faults == 1:
                _log.exception("The sink %s stumbled.", self.name)
            if self._faults <= _FAULTS:
                raise UpstreamUnavailable(told) from error
            self._faults = 0
            raise DocumentRejected(told, reason="fault") from error
        self._faults = 0


async def kept_going(shipping: Shipping) -> None:
    """Ships until told to leave; after a fault of the spool's side it begins anew."""
    while True:
        try:
            return await shipping.run()
        except Exception:  # noqa: BLE001 - records would wait for ever, and nobody know
            _log.exception("Shipping stumbled.")
        await asyncio.sleep(_PAUSE_S)
