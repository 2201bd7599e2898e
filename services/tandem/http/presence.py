"""Work that lives only as long as someone waits for it, and only until its deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from tandem.domain.errors import DeadlineExceeded
from tandem.http.errors import ClientGone

T = TypeVar("T")


async def while_wanted(work: Coroutine[Any, Any, T], receive: Receive, *, left_s: float | None, stage: str) -> T:
    """What `work` returns. It is cancelled, and has ended, before this raises.

    Raises `ClientGone` when the client disconnects first and `DeadlineExceeded` when `left_s` seconds are over; the
    request's body must have been read. Parts keep the deadline themselves and know better where it passed; this is
    the net below them.
    """
    running = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({running, leaving}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        if leaving.done():
            raise ClientGone
        raise DeadlineExceeded(stage)
    finally:
        for task in (running, leaving):
            task.cancel()
        await asyncio.gather(running, leaving, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
