"""What a server says that it serves, asked again now and then: behind its address may be another model by now."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from tandem.domain.errors import TandemError
from tandem.domain.generation import ModelCard
from tandem.ports.clock import Clock

# For the first answer a request waits; afterwards it has one that will do.
_FIRST_S = 10.0
_AGAIN_S = 1.0


class KnownCard:
    """Asks by `ask(timeout_s)`, at most every `fresh_s` seconds once there was an answer."""

    def __init__(self, ask: Callable[[float], Awaitable[ModelCard]], clock: Clock, *, fresh_s: float = 15.0) -> None:
        self._ask = ask
        self._clock = clock
        self._fresh_s = fresh_s
        self._known: ModelCard | None = None
        self._asked_s = 0.0

    async def get(self) -> ModelCard:
        """The last answer; a server that is away keeps the one it had. Raises what `ask` raises until there is one."""
        now_s = self._clock.monotonic_s()
        if self._known is None:
            self._known = await self._ask(_FIRST_S)
            self._asked_s = now_s
        elif now_s - self._asked_s >= self._fresh_s:
            # Noted before the answer: one request asks, the others go on with what is known.
            self._asked_s = now_s
            with suppress(TandemError):
                self._known = await self._ask(_AGAIN_S)
        return self._known
