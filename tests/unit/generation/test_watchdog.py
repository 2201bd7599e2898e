import asyncio

import pytest

from tandem.generation.watchdog import Overdue, Watchdog


def clock_s() -> float:
    return asyncio.get_running_loop().time()


async def test_a_wait_that_lasts_too_long_is_ended() -> None:
    watchdog, never = Watchdog(clock_s), asyncio.Event()
    with pytest.raises(Overdue):
        await watchdog.bounded(never.wait(), clock_s() + 0.01, clock_s())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_one_timer_serves_many_waits_each_with_its_own_end() -> None:
    watchdog = Watchdog(clock_s)
    for _ in range(8):
        # The timer rings during these, and finds that their end was put off.
        await watchdog.bounded(asyncio.sleep(0.01), clock_s() + 0.03, clock_s())
    began_s = clock_s()
    with pytest.raises(Overdue):
        await watchdog.bounded(asyncio.Event().wait(), began_s + 0.05, began_s)
    assert clock_s() - began_s >= 0.045


async def test_a_wait_that_ends_sooner_than_the_one_before_is_ended_in_time() -> None:
    watchdog = Watchdog(clock_s)
    await watchdog.bounded(asyncio.sleep(0), clock_s() + 60, clock_s())
    async with asyncio.timeout(5):
        with pytest.raises(Overdue):
            await watchdog.bounded(asyncio.Event().wait(), clock_s() + 0.01, clock_s())


async def test_nobody_is_ended_who_does_not_wait() -> None:
    watchdog = Watchdog(clock_s)
    await watchdog.bounded(asyncio.sleep(0), clock_s() + 0.01, clock_s())
    await asyncio.sleep(0.03)
    assert await watchdog.bounded(asyncio.sleep(0.001, "done"), clock_s() + 5, clock_s()) == "done"
    watchdog.close()


async def test_a_cancellation_by_others_stays_one() -> None:
    watchdog = Watchdog(clock_s)
    waiting = asyncio.create_task(watchdog.bounded(asyncio.Event().wait(), clock_s() + 60, clock_s()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    watchdog.close()


async def test_failures_pass_through() -> None:
    async def fail() -> None:
        raise ConnectionError("gone")

    watchdog = Watchdog(clock_s)
    with pytest.raises(ConnectionError, match="gone"):
        await watchdog.bounded(fail(), clock_s() + 60, clock_s())
    watchdog.close()
