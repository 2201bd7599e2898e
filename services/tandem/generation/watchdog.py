"""A bound on each of many short waits, at the price of one timer for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Overdue(Exception):
    """A wait lasted past its end."""


class Watchdog:
    """Cancels a wait that lasts past its end; `asyncio.timeout` would arm and disarm a timer for each.

    The timer is armed for a wait's end. When it rings it looks whether the wait of that moment is over its own end,
    and else goes on for the rest. `now_s` is the clock whose instants the ends are.
    """

    __slots__ = ("_ends_s", "_expired", "_loop", "_now_s", "_rings_s", "_task", "_timer")

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_s = 0.0
        self._task: asyncio.Task[object] | None = None
        self._ends_s = 0.0
        self._expired = False

    async def bounded(self, waiting: Awaitable[T], ends_s: float, now_s: float) -> T:
        """What `waiting` returns, `now_s` being the clock's instant. Raises `Overdue` when it lasts past `ends_s`."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be watched")
        others = task.cancelling()
        self._task, self._ends_s = task, ends_s
        if self._timer is None or ends_s < self._rings_s:
            self._arm(ends_s, now_s)
        try:
            return await waiting
        except asyncio.CancelledError:
            if self._expired and task.uncancel() <= others:
                raise Overdue from None
            raise
        finally:
            self._task = None

    def close(self) -> None:
        """Nothing rings any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, ends_s: float, now_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_s = ends_s
        self._timer = self._loop.call_later(max(0.0, ends_s - now_s), self._ring, ends_s)

    def _ring(self, ends_s: float) -> None:
        self._timer = None
        if self._task is None:
            # Nobody waits now; the next wait arms it again.
            return
        if self._ends_s <= ends_s:
            self._expired = True
            self._task.cancel()
            return
        self._arm(self._ends_s, self._now_s())
