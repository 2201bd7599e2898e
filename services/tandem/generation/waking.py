"""Requests held while a pool has no endpoint up, so that a pool scaled to zero sees the demand and wakes."""

import asyncio
from collections.abc import Awaitable, Callable

from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, TandemError, UpstreamUnavailable
from tandem.ports.clock import Clock

Probe = Callable[[], Awaitable[None]]


class Waking:
    """Holds up to `most` requests for `hold_s` seconds each, while `watch` looks every `probe_s` whether a server is up.

    A pool that never sleeps has `most` 0: nothing is held for it.
    """

    def __init__(self, *, most: int, hold_s: float, probe_s: float, probe: Probe, clock: Clock) -> None:
        self._most = most
        self._hold_s = hold_s
        self._probe_s = probe_s
        self._probe = probe
        self._clock = clock
        self._up = asyncio.Event()
        self._up.set()
        self._away = asyncio.Event()
        self.held = 0

    @property
    def asleep(self) -> bool:
        """True from a failure of every endpoint to the first sign of life."""
        return not self._up.is_set()

    def slept(self) -> bool:
        """No endpoint was up: from now on requests are held first. False where nothing is ever held."""
        if self._most > 0:
            self._up.clear()
            self._away.set()
        return self._most > 0

    def woke(self) -> None:
        """An endpoint answered."""
        self._up.set()
        self._away.clear()

    async def watch(self) -> None:
        """Looks for ever, while the pool sleeps; runs beside the requests as long as the process does."""
        while True:
            await self._away.wait()
            try:
                await self._probe()
            except TandemError:
                await asyncio.sleep(self._probe_s)
            else:
                self.woke()

    async def awake(self, context: RequestContext) -> None:
        """Returns at once, or as soon as an endpoint is up.

        Raises `UpstreamUnavailable` when the place for held requests is full or the time is over, and
        `DeadlineExceeded("waking")` when the request's own time ends before.
        """
        if not self.asleep:
            return
        if self.held >= self._most:
            raise self._unavailable(f"No server of the model is up, and {self._most} requests wait for one already.")
        ends_s = self._clock.monotonic_s() + self._hold_s
        until_s = ends_s if context.deadline_s is None else min(ends_s, context.deadline_s)
        self.held += 1
        try:
            async with asyncio.timeout(max(0.0, until_s - self._clock.monotonic_s())):
                await self._up.wait()
        except TimeoutError as error:
            if until_s < ends_s:
                raise DeadlineExceeded("waking") from error
            raise self._unavailable(f"No server of the model came up within {self._hold_s:g} s.") from error
        finally:
            self.held -= 1

    def _unavailable(self, message: str) -> UpstreamUnavailable:
        return UpstreamUnavailable(message, stage="waking", retry_after_s=max(1.0, self._probe_s * 2))
