"""As many requests at a time as there are clients, each of which asks again when it was answered, in virtual time."""

import asyncio
from collections.abc import Sequence
from itertools import cycle, islice

from tandem.adapters.scripted.virtual_time import at_once
from tandem.platform.plan.engines import ServiceTimes
from tandem.platform.plan.replica import Job, Replica

_REQUESTS = 300


def closed_loop(times: ServiceTimes, clients: int, lengths: Sequence[tuple[int, int]]) -> float:
    """Seconds that a request takes on average; `lengths` are tokens of prompt and answer, taken in turn."""
    return at_once(_taken(times, clients, lengths))


async def _taken(times: ServiceTimes, clients: int, lengths: Sequence[tuple[int, int]]) -> float:
    loop = asyncio.get_running_loop()
    replica = Replica(times, loop)
    asked = islice(cycle(lengths), max(_REQUESTS, len(lengths)))
    took_s: list[float] = []

    async def client() -> None:
        for prompt, answer in asked:
            began_s = loop.time()
            job = Job(prompt, answer, loop.create_future(), loop.create_future())
            replica.take(job)
            await job.last
            took_s.append(loop.time() - began_s)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client())
    return sum(took_s) / len(took_s)
