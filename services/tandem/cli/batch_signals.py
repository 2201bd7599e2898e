"""Ctrl-C while a batch runs: the first one asks it to end, the second one ends it, the third one is Python's own."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any


async def until_told(work: Coroutine[Any, Any, None], leave: Callable[[], None]) -> None:
    """The first Ctrl-C, or SIGTERM, calls `leave`, the second one cancels the work."""
    task = asyncio.ensure_future(work)
    with signals(leave, task.cancel), suppress(asyncio.CancelledError):
        await task


@contextmanager
def signals(first: Callable[[], object], second: Callable[[], object]) -> Iterator[None]:
    """Called by the event loop."""
    loop, told = asyncio.get_running_loop(), 0

    def signalled() -> None:
        nonlocal told
        told += 1
        if told == 1:
            first()
        else:
            second()
            loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
