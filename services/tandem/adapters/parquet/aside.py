"""Work of a thread that nobody waits for when the process ends, as is done for asyncio's own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], turn: threading.Lock) -> T:
    """What `work` returns or raises. One holder of `turn` at a time; one who waited in vain still finishes its own."""
    done: Future[T] = Future()

    def run() -> None:
        # Whoever waits may have left meanwhile.
        with suppress(InvalidStateError):
            try:
                with turn:
                    made = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                done.set_exception(error)
            else:
                done.set_result(made)

    threading.Thread(target=run, name="tandem-parquet", daemon=True).start()
    return await asyncio.wrap_future(done)
