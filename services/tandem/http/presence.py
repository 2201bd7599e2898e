"""Work that lives only as long as someone waits for it, and only until its deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, NoReturn, TypeVar

from starlette.types import Receive

from tandem.domain.errors import DeadlineExceeded
from tandem.http.errors import ClientGone
from tandem.pipeline.account import CLIENT_CLOSED

T = TypeVar("T")

# The net lies a little below: the parts' own timers, which know the stage, must be the first to go off.
_BELOW_S = 0.1


async def while_wanted(work: Coroutine[Any, Any, T], receive: Receive, *, left_s: float | None, stage: str) -> T:
    """What `work` returns. It is cancelled, and has ended, before this raises.

    Raises `ClientGone` when the client disconnects first and `DeadlineExceeded` when `left_s` seconds are over; the
    request's body must have been read. Parts keep the deadline themselves and know better where it passed; this is
    the net below them.
    """
    loop = asyncio.get_running_loop()
    wish = _Wish(work)
    leaving = loop.create_task(_disconnected(receive))
    leaving.add_done_callback(lambda _: wish.end(ClientGone()))
    below_s = None if left_s is None else max(0.0, left_s) + _BELOW_S
    timer = None if below_s is None else loop.call_later(below_s, wish.end, DeadlineExceeded(stage))
    try:
        return await wish.granted()
    finally:
        if timer is not None:
            timer.cancel()
        if not leaving.done():
            leaving.cancel()
            # Its turn to unwind, and no exception of its own can be of interest any more.
            await asyncio.wait((leaving,))


class _Wish(Generic[T]):
    """Runs in the task that wants it, and can be ended from outside: a task of its own would cost more than it tells."""

    __slots__ = ("_over", "_task", "_why", "_work")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._task = asyncio.current_task()
        self._why: Exception | None = None
        self._over = False

    def end(self, why: Exception) -> None:
        """The work is not wanted any more. The first reason counts."""
        if self._task is not None and not self._over and self._why is None:
            self._why = why
            # The work may want to tell who left from what ended it otherwise.
            self._task.cancel(CLIENT_CLOSED if isinstance(why, ClientGone) else None)

    async def granted(self) -> T:
        """The work's result, or the reason why it was ended. A cancellation by anybody else stays one."""
        if self._task is None:
            raise RuntimeError("only a task can be ended")
        others = self._task.cancelling()
        try:
            done = await self._work
        except BaseException:
            self._over = True
            if self._why is not None and self._task.uncancel() <= others:
                self._raise()
            raise
        self._over = True
        if self._why is not None:
            # It ended of its own in the very moment.
            self._task.uncancel()
        return done

    def _raise(self) -> NoReturn:
        """Raise the reason without keeping it.

        What it was raised through would hold on to it, and with it everything of a request whose client has left: the
        collector would find all of those at once, and hold up every stream.
        """
        why, self._why = self._why, None
        try:
            raise why or ClientGone from None
        finally:
            del why


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
