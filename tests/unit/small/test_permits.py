"""Who may run, who waits, who is refused."""

import asyncio

import pytest

from tandem.adapters.small.permits import Permits
from tandem.domain.errors import Overloaded
from tandem.ports.engine import EngineLimits, EngineLoad


async def test_one_runs_one_waits_one_is_refused() -> None:
    permits = Permits(EngineLimits(100, max_concurrent_requests=2, parallel=1))
    entered = asyncio.Event()

    async def second() -> None:
        async with permits.slot(5):
            entered.set()

    async with permits.slot(7):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0)
        assert permits.load == EngineLoad(waiting=1, running=1, tokens=7)
        with pytest.raises(Overloaded):
            async with permits.slot(1):
                pass
        assert not entered.is_set()
    await waiting
    assert entered.is_set()
    assert permits.load == EngineLoad(0, 0, 0)


async def test_who_is_cancelled_while_waiting_gives_the_permit_back() -> None:
    permits = Permits(EngineLimits(100, max_concurrent_requests=2, parallel=1))

    async def wait() -> None:
        async with permits.slot(5):
            pass

    async with permits.slot(7):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert permits.load == EngineLoad(0, 1, 7)
