"""What a process holds, and whether it lets go of it again."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Held:
    """Open files and sockets, tasks, and threads but the loop's own pool, which only ever grows."""

    descriptors: int
    tasks: int
    threads: int

    def within(self, base: "Held") -> bool:
        return self.descriptors <= base.descriptors and self.tasks <= base.tasks and self.threads <= base.threads


def held() -> Held:
    threads = [each for each in threading.enumerate() if not each.name.startswith("asyncio")]
    return Held(len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks()), len(threads))


async def until(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Whether it became true in time."""
    try:
        async with asyncio.timeout(within_s):
            while not true():
                await asyncio.sleep(0.01)
    except TimeoutError:
        return False
    return True


async def let_go(base: Held) -> None:
    """Fails when no less is held than `base` once everything had time to end."""
    if await until(lambda: held().within(base), 0.5):
        return
    # What only a cycle keeps is no leak; looking for cycles is too slow to begin with.
    gc.collect()
    assert await until(lambda: held().within(base)), f"{held()} after {base}: {asyncio.all_tasks()}"


@asynccontextmanager
async def nothing_leaks() -> AsyncIterator[None]:
    """Fails when more is held after than before."""
    base = held()
    yield
    await let_go(base)
