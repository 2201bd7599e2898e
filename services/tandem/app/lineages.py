"""What the model of a pool was made from: by the files that its lineage is kept in, else as it is declared."""

import asyncio
import logging
from pathlib import Path

from tandem.adapters.models.lineage import read_lineage
from tandem.app.traffic import ModelPolicy
from tandem.domain.errors import ConfigurationError
from tandem.domain.generation import ModelCard
from tandem.domain.model_lineage import Lineage
from tandem.domain.model_version import UNTOLD, Ancestry

_log = logging.getLogger("tandem.server")
# A volume of Kubernetes takes a minute to follow its ConfigMap.
_AGAIN_S = 15.0


class PoolLineage:
    """Reads the files of `folder` now and then; without one it knows what is `declared`. A pool that nothing but releases asks is
    not the one that `serves`.
    """

    def __init__(self, folder: Path | None, declared: ModelPolicy | None, *, serves: bool = True) -> None:
        self._folder = folder
        self._declared = declared
        self._serves = serves
        self._known = Lineage()
        self._unread = ""

    async def read(self) -> None:
        """What cannot be read is told once, and what was known stays: no answer depends on it."""
        if self._folder is None:
            return
        try:
            self._known = await asyncio.to_thread(read_lineage, self._folder)
            self._unread = ""
        except ConfigurationError as error:
            if error.message != self._unread:
                _log.warning("receipts do not tell what models were made from: %s", error.message)
            self._unread = error.message

    async def watch(self) -> None:
        """Until it is cancelled."""
        while self._folder is not None:
            await asyncio.sleep(_AGAIN_S)
            await self.read()

    def of(self, card: ModelCard) -> Ancestry:
        """Of what a server says that it serves."""
        return self._known.of(card.revision, serves=self._serves).over(self._as_declared(card))

    def _as_declared(self, card: ModelCard) -> Ancestry:
        told = self._declared
        if told is None or told.id != card.id or told.revision not in {None, card.revision}:
            return UNTOLD
        return Ancestry(told.dataset, told.training_run, told.base_model)
