"""What a server says that it serves, asked again now and then: behind its address may be another model by now."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tandem.domain.errors import TandemError
from tandem.domain.generation import ModelCard
from tandem.ports.clock import Clock

# For the first answer a request waits; afterwards it has one that will do.
_FIRST_S = 10.0
_AGAIN_S = 1.0


class KnownCard:
    """Asks by `ask(timeout_s)`, at most every `fresh_s` seconds once there was an answer, and whenever it is in doubt."""

    def __init__(self, ask: Callable[[float], Awaitable[ModelCard]], clock: Clock, *, fresh_s: float = 15.0) -> None:
        self._ask = ask
        self._clock = clock
        self._fresh_s = fresh_s
        self._known: ModelCard | None = None
        self._asked_s = 0.0
        self._silent = False
        self._doubts = 0
        self._settled = 0
        self._asking = asyncio.Lock()

    def doubt(self) -> None:
        """Another model may have come: whoever gets the card from now on waits until the server was asked."""
        self._doubts += 1

    async def get(self) -> ModelCard:
        """The last answer; a server that is away keeps the one it had. Raises what `ask` raises until there is one."""
        if self._known is None:
            return await self._told(_FIRST_S)
        if self._due:
            # One at a time, so that no older answer comes behind a newer one. Who doubts waits for an answer that was asked for
            # since; the others go on with what is known.
            async with self._asking:
                if self._due:
                    with suppress(TandemError):
                        await self._told(_AGAIN_S)
        return self._known

    @property
    def _due(self) -> bool:
        # After a question without an answer not every request shall wait for what does not come.
        doubted = self._settled < self._doubts and not self._silent
        return doubted or self._clock.monotonic_s() - self._asked_s >= self._fresh_s

    async def _told(self, timeout_s: float) -> ModelCard:
        doubts = self._doubts
        # Noted before the answer, for the others.
        self._asked_s = self._clock.monotonic_s()
        try:
            known = self._known = await self._ask(timeout_s)
        except TandemError:
            self._silent = True
            raise
        self._silent = False
        self._settled = max(self._settled, doubts)
        return known
