"""It does what an `asyncio.Event` does."""

import asyncio

import pytest

from tandem.http.edge.bell import Bell


@pytest.mark.parametrize("kind", [Bell, asyncio.Event])
async def test_all_who_wait_go_on_and_a_cancelled_one_takes_nobody_along(kind: type[Bell]) -> None:
    bell = kind()
    first, second, third = (asyncio.create_task(bell.wait()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    assert not first.done()
    bell.set()
    assert bell.is_set()
    assert await first
    assert await third
    assert second.cancelled()
    assert await bell.wait()
    bell.clear()
    again = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not again.done()
    bell.set()
    assert await again
