"""Work that goes on beside a part of the process for as long as that part is open."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager


@asynccontextmanager
async def beside(works: Iterable[Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """These run while the context is open. One that fails ends the process loudly, rather than be missed in silence.

    What the context is left with passes through as it is: a task group by itself would wrap it into a group.
    """
    fault: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work) for work in works]
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it is raised again as soon as the group is left
            fault = error
        finally:
            for task in running:
                task.cancel()
    if fault is not None:
        raise fault
