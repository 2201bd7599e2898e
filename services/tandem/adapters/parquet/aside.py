"""Work of a thread that nobody waits for when the process ends, as is done for asyncio's own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], turn: threading.Lock) -> T:
    """What `work` returns or raises. One at a time; what was not begun when nobody waits any more never is."""
    done: Future[T] = Future()

    def run() -> None:
        with turn:
            if not done.set_running_or_notify_cancel():
                # It would write over what came after it.
                return
            try:
                made = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                done.set_exception(error)
            else:
                done.set_result(made)

    threading.Thread(target=run, name="tandem-parquet", daemon=True).start()
    return await asyncio.wrap_future(done)
