"""Lines are taken up one after the other, as many at a time as there is room for, until there are none, or it is enough."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from tandem.domain.batch_line import BatchLine


class Stop:
    """Set once: no more lines are taken up. `why` tells people."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self.why: str | None = None

    def set(self, why: str) -> None:
        """The first reason counts."""
        if self.why is None:
            self.why = why
            self._told.set()

    async def wait(self) -> None:
        """Until it is set."""
        await self._told.wait()


async def run_lines(
    lines: Iterator[BatchLine],
    work: Callable[[BatchLine], Awaitable[None]],
    stop: Stop,
    *,
    concurrency: int,
    grace_s: float,
) -> None:
    """What runs when it is stopped has `grace_s` to end; what is cancelled then leaves no trace. Raises what `work` raises."""

    async def one_by_one() -> None:
        for line in lines:
            if stop.why is not None:
                return
            await work(line)
            # Lines that need no answer must not keep others from going on.
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(one_by_one()) for _ in range(concurrency)]
        closing = tasks.create_task(_closed(working, stop, grace_s))
        await asyncio.wait(working)
        closing.cancel()


async def _closed(working: list[asyncio.Task[None]], stop: Stop, grace_s: float) -> None:
    await stop.wait()
    await asyncio.sleep(grace_s)
    for task in working:
        task.cancel()
