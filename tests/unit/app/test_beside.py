import asyncio

import pytest

from tandem.app.beside import beside
from tandem.domain.errors import ConfigurationError


async def test_work_goes_on_while_the_context_is_open() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            while True:
                done.append("step")
                await asyncio.sleep(0)
        finally:
            done.append("put away")

    async with beside([work()]):
        while len(done) < 3:
            await asyncio.sleep(0)
    assert done[-1] == "put away"


@pytest.mark.parametrize("fault", [ConfigurationError("no"), KeyError("x")])
async def test_what_the_context_is_left_with_stays_what_it_is(fault: Exception) -> None:
    with pytest.raises(type(fault)) as raised:
        async with beside([asyncio.sleep(60)]):
            raise fault
    assert raised.value is fault


async def test_leaving_by_cancellation_is_one() -> None:
    async def inside() -> None:
        async with beside([asyncio.sleep(60)]):
            await asyncio.sleep(60)

    task = asyncio.create_task(inside())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_fails_is_heard_of() -> None:
    async def broken() -> None:
        raise KeyError("x")

    with pytest.RaisesGroup(KeyError):
        async with beside([broken()]):
            await asyncio.sleep(60)
