"""Writes to a Qdrant server: so many at a time, and one that is full or restarting is waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tandem.adapters.qdrant.translation import translated
from tandem.domain.errors import Overloaded, UpstreamUnavailable

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Pressure:
    """`at_once` writes; `patience_s`: seconds of pauses in all before one fails."""

    at_once: int = 4
    patience_s: float = 30.0


class Writing:
    """What was embedded is dear, a write may be repeated at no harm: so it is the write that waits, not the whole document
    that begins anew. The server's `Retry-After` is honoured, else pauses double. Meanwhile the other writers wait for
    their turns, and with them the documents behind: nothing piles up.
    """

    def __init__(self, pressure: Pressure, pause: Pause = asyncio.sleep) -> None:
        self._turns = asyncio.Semaphore(pressure.at_once)
        self._patience_s = pressure.patience_s
        self._pause = pause

    async def write(self, collection: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do it. Raises what `translated` makes of errors, `Overloaded` and `UpstreamUnavailable` when patience ends."""
        waited_s, pause_s = 0.0, _FIRST_PAUSE_S
        async with self._turns:
            while True:
                try:
                    async with translated(collection):
                        await work()
                    return
                except (Overloaded, UpstreamUnavailable) as error:
                    next_s = min(max(error.retry_after_s or 0.0, pause_s), _LONGEST_PAUSE_S)
                    if waited_s + next_s > self._patience_s:
                        raise
                await self._pause(next_s)
                waited_s, pause_s = waited_s + next_s, min(2 * pause_s, _LONGEST_PAUSE_S)
