"""How many requests an engine takes: some run, some wait, one more is refused at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tandem.domain.errors import Overloaded
from tandem.ports.engine import EngineLimits, EngineLoad


class Permits:
    """`limits.max_concurrent_requests` cover waiting and running, as TGI's do; `limits.parallel` of them run."""

    def __init__(self, limits: EngineLimits) -> None:
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.parallel)
        self._taken = 0
        self._running = 0
        self._tokens = 0

    @property
    def load(self) -> EngineLoad:
        """Now."""
        return EngineLoad(waiting=self._taken - self._running, running=self._running, tokens=self._tokens)

    @asynccontextmanager
    async def slot(self, tokens: int) -> AsyncIterator[None]:
        """A place to run in, for a request that may reach `tokens`. Raises `Overloaded` when no permit is free."""
        if self._taken >= self._limits.max_concurrent_requests:
            raise Overloaded("Model is overloaded")
        self._taken += 1
        try:
            async with self._slots:
                self._running += 1
                self._tokens += tokens
                try:
                    yield
                finally:
                    self._running -= 1
                    self._tokens -= tokens
        finally:
            self._taken -= 1
