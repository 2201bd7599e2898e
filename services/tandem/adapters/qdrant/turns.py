"""Searches take turns: so many at a time, and who would wait in vain is told so at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tandem.domain.errors import UpstreamUnavailable

_GAIN = 1 / 8


class Turns:
    """At most `limit` at a time, first come first served; nobody waits longer than `patience_s`."""

    def __init__(self, limit: int, patience_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._patience_s = patience_s
        self._now_s = now_s
        self._free = asyncio.Semaphore(limit)
        self._mean_s: float | None = None
        self.running = 0
        self.waiting = 0

    def expected_wait_s(self) -> float:
        """Until a newcomer's turn: those before it, at the pace of the last searches; 0 when one is free."""
        if self._mean_s is None or self.running + self.waiting < self._limit:
            return 0.0
        return (self.waiting + 1) * self._mean_s / self._limit

    @asynccontextmanager
    async def taken(self, within_s: float | None) -> AsyncIterator[None]:
        """A turn, given back on leaving.

        Raises `UpstreamUnavailable` at once when it is not to be expected within `within_s`, and after `patience_s`
        when it has not come.
        """
        patience_s = self._patience_s if within_s is None else min(within_s, self._patience_s)
        expected_s = self.expected_wait_s()
        if expected_s > patience_s:
            raise self._too_slow(expected_s)
        await self._turn(patience_s)
        self.running += 1
        began_s = self._now_s()
        try:
            yield
        finally:
            self.running -= 1
            self._free.release()
            self._learn(self._now_s() - began_s)

    def _learn(self, took_s: float) -> None:
        self._mean_s = took_s if self._mean_s is None else self._mean_s + _GAIN * (took_s - self._mean_s)

    async def _turn(self, patience_s: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(patience_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise self._too_slow(self.expected_wait_s()) from error
        finally:
            self.waiting -= 1

    def _too_slow(self, expected_s: float) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            f"The vector store is too slow now: {self.running} searches run and {self.waiting} wait.",
            hint="Try again later; vectors.max_concurrency bounds the searches that run.",
            retry_after_s=max(1.0, expected_s),
        )
