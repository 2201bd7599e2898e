"""TGI's health: what the last generation told, and after a failed one a word from the model itself."""

import asyncio

from tandem.domain.context import RequestContext
from tandem.domain.errors import Overloaded, TandemError
from tandem.domain.question import Sampling
from tandem.http.lifecycle import Lifecycle, State
from tandem.http.predictor.faults import fault_of
from tandem.ports.engine import Engine

_PROBE_S = 5.0
_ONE_TOKEN = Sampling(max_tokens=1, temperature=0.0)


class Health:
    """Well while the process takes traffic and the model answers. Cheap until a generation has failed."""

    def __init__(self, engine: Engine, lifecycle: Lifecycle) -> None:
        self._engine = engine
        self._lifecycle = lifecycle
        self._in_doubt = False

    def succeeded(self) -> None:
        """A generation came to its end."""
        self._in_doubt = False

    def failed(self, error: TandemError) -> None:
        """A generation did not; refusals and deadlines say nothing about the model."""
        if fault_of(error).status in {424, 500}:
            self._in_doubt = True

    async def well(self) -> bool:
        """Asks the model for one token when the last generation failed; a busy one is well."""
        if self._lifecycle.state is not State.ready:
            return False
        if self._in_doubt:
            self._in_doubt = not await self._answers()
        return not self._in_doubt

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_S):
                async with self._engine.complete("liveness", _ONE_TOKEN, RequestContext("health")) as events:
                    async for _ in events:
                        return True
        except Overloaded:
            return True
        except (TandemError, TimeoutError):
            return False
        return False
