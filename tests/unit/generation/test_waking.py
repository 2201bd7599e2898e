"""Held requests: bounded in number and time, let go when a server answers, gone when cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.generation.waking import Waking

CONTEXT = RequestContext("r")


class Server:
    """Up or not; counts how often it was looked at."""

    def __init__(self) -> None:
        self.up = False
        self.looks = 0
        self.failure: TandemError = UpstreamUnavailable("away")

    async def probe(self) -> None:
        self.looks += 1
        if not self.up:
            raise self.failure


@asynccontextmanager
async def watched(server: Server, *, most: int = 2, hold_s: float = 30.0) -> AsyncIterator[Waking]:
    waking = Waking(most=most, hold_s=hold_s, probe_s=0.001, probe=server.probe, clock=SystemClock())
    watching = asyncio.create_task(waking.watch())
    try:
        yield waking
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def test_held_until_a_server_is_up() -> None:
    server = Server()
    async with watched(server) as waking:
        await waking.awake(CONTEXT)
        assert waking.slept()
        held = [asyncio.create_task(waking.awake(CONTEXT)) for _ in range(2)]
        while server.looks < 3:
            await asyncio.sleep(0)
        assert waking.held == 2
        with pytest.raises(UpstreamUnavailable) as refused:
            await waking.awake(CONTEXT)
        assert refused.value.retry_after_s is not None
        server.up = True
        await asyncio.gather(*held)
        assert waking.held == 0
        assert not waking.asleep


async def test_a_server_that_answers_with_nonsense_is_looked_at_again() -> None:
    server = Server()
    server.failure = UpstreamFailed("what is this?")
    async with watched(server) as waking:
        waking.slept()
        held = asyncio.create_task(waking.awake(CONTEXT))
        while server.looks < 3:
            await asyncio.sleep(0)
        server.up = True
        await held


async def test_nobody_looks_while_it_is_awake() -> None:
    server = Server()
    async with watched(server) as waking:
        for _ in range(20):
            await asyncio.sleep(0)
        assert server.looks == 0
        assert not waking.asleep


async def test_the_hold_ends_and_the_deadline_may_end_it_before() -> None:
    server = Server()
    async with watched(server, hold_s=0.01) as waking:
        waking.slept()
        with pytest.raises(UpstreamUnavailable, match="came up within"):
            await waking.awake(CONTEXT)
        with pytest.raises(DeadlineExceeded) as over:
            await waking.awake(RequestContext("r", deadline_s=SystemClock().monotonic_s()))
        assert over.value.stage == "waking"
        assert waking.held == 0


async def test_a_cancelled_one_leaves_its_place() -> None:
    server = Server()
    async with watched(server, most=1) as waking:
        waking.slept()
        held = asyncio.create_task(waking.awake(CONTEXT))
        while not waking.held:
            await asyncio.sleep(0)
        held.cancel()
        with suppress(asyncio.CancelledError):
            await held
        assert waking.held == 0


def test_a_pool_that_never_sleeps_is_never_held_for() -> None:
    waking = Waking(most=0, hold_s=1, probe_s=1, probe=Server().probe, clock=ScriptedClock())
    assert not waking.slept()
    assert not waking.asleep
