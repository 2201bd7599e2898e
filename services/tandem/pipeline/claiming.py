"""What is claimed under a lease, by somebody who may be told to end meanwhile."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tandem.domain.errors import TandemError

T = TypeVar("T")


async def claimed(claim: Awaitable[T], give_back: Callable[[T], Awaitable[None]]) -> T:
    """What `claim` comes to. Cancelled meanwhile, that goes back at once, rather than when its lease lapses."""
    claiming = asyncio.ensure_future(claim)
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        # A store that is away must not have the last word: we are told to end.
        with contextlib.suppress(TandemError):
            await give_back(await claiming)
        raise
