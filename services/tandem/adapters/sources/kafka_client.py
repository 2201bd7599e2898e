"""Clients of aiokafka: what they raise, and how they are put away."""

import asyncio
from typing import Any

from aiokafka.errors import KafkaError

# aiokafka asserts the state that it is in: a producer that failed unseen, a partition that has just gone.
FAULTS = (KafkaError, OSError, TimeoutError, AssertionError)
_CLOSE_S = 5.0


async def put_away(client: Any, connections: Any) -> None:
    """Stop a client of aiokafka. At a broker that is away that may hang, or raise a cancellation that nobody asked for."""
    stopping = asyncio.ensure_future(client.stop())
    try:
        await asyncio.wait([stopping], timeout=_CLOSE_S)
    finally:
        stopping.cancel()
    if stopping.cancelled() or not stopping.done() or stopping.exception() is not None:
        await connections.close()


async def put_away_consumer(consumer: Any) -> None:
    """The same for one that reads."""
    await put_away(consumer, consumer._client)  # noqa: SLF001 - what stop() would have closed
