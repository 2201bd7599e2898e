"""Messages about jobs arrive once they can, under one id, and are given up in the end."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from fakes.jobs import job
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.deliveries import ScriptedDeliveries
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.domain.errors import Overloaded, PermissionDenied, UpstreamUnavailable
from tandem.domain.job import Job, Outcome
from tandem.pipeline.jobs.delivering import Delivering, Patience
from tandem.ports.deliveries import Delivery
from tandem.ports.webhook import Message

AWAY = UpstreamUnavailable("It answered 502.")


class Receiver:
    """Answers as told, in this order, then takes everything."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.got: list[Message] = []

    async def send(self, message: Message) -> None:
        self.got.append(message)
        if self.answers:
            raise self.answers.pop(0)


class Flow:
    def __init__(self, receiver: Any, **patience: Any) -> None:
        self.clock = ScriptedClock()
        self.jobs = ScriptedJobs(self.clock)
        self.deliveries = ScriptedDeliveries(self.jobs, self.clock)
        self.receiver = receiver
        self.delivering = Delivering(self.deliveries, receiver, told, self.clock, lambda: 0.5, Patience(**patience))

    async def ended(self, number: int = 1, tenant: str = "acme") -> Job:
        asked = job(number, tenant, at=self.clock.epoch_s(), callback_url=f"https://{tenant}.example.com/hook")
        await self.jobs.submit([asked])
        (lease,) = await self.jobs.claim("w", 1, 30.0)
        assert await self.jobs.finish(lease, Outcome("succeeded", b"{}"))
        return asked

    async def round(self) -> int:
        """All that are due now; how many there were."""
        count = 0
        while (sending := await self.delivering.begin()) is not None:
            await sending
            count += 1
        return count

    async def status(self, asked: Job) -> tuple[str, int]:
        state = await self.deliveries.state(asked.tenant, asked.id)
        assert state is not None
        return state.status, state.attempts


def told(ended: Job) -> bytes:
    return ended.id.encode()


async def test_a_message_is_sent_once_the_job_ended() -> None:
    flow = Flow(Receiver())
    asked = await flow.ended()
    assert await flow.round() == 1
    (message,) = flow.receiver.got
    assert (message.tenant, message.url, message.body) == (
        asked.tenant,
        "https://acme.example.com/hook",
        asked.id.encode(),
    )
    assert await flow.status(asked) == ("delivered", 1)
    assert await flow.round() == 0


async def test_it_comes_again_under_the_same_id_later_each_time() -> None:
    flow = Flow(Receiver(AWAY, AWAY), first_s=10.0, factor=3.0)
    asked = await flow.ended()
    await flow.round()
    flow.clock.advance(9.0)
    assert await flow.round() == 0
    flow.clock.advance(1.5)
    await flow.round()
    flow.clock.advance(29.0)
    assert await flow.round() == 0
    flow.clock.advance(1.5)
    await flow.round()
    assert len({message.id for message in flow.receiver.got}) == 1
    assert await flow.status(asked) == ("delivered", 3)


async def test_whoever_asks_for_more_time_gets_it() -> None:
    flow = Flow(Receiver(Overloaded("It answered 429.", retry_after_s=600.0)))
    asked = await flow.ended()
    await flow.round()
    flow.clock.advance(599.0)
    assert await flow.round() == 0
    flow.clock.advance(2.0)
    await flow.round()
    assert await flow.status(asked) == ("delivered", 2)


async def test_after_so_many_attempts_it_is_given_up_and_can_be_seen() -> None:
    flow = Flow(Receiver(*[AWAY] * 9), attempts=3)
    asked = await flow.ended()
    for _ in range(5):
        await flow.round()
        flow.clock.advance(100_000.0)
    assert len(flow.receiver.got) == 3
    assert await flow.status(asked) == ("dead", 3)
    (dead,) = await flow.deliveries.dead(asked.tenant, limit=10)
    assert dead.problem == "It answered 502."


async def test_an_address_that_may_not_be_called_is_given_up_at_once() -> None:
    flow = Flow(Receiver(PermissionDenied("10.0.0.1 is no public address.")))
    asked = await flow.ended()
    await flow.round()
    assert await flow.status(asked) == ("dead", 1)


class Hanging:
    """Those of some tenants never answer."""

    def __init__(self, *tenants: str) -> None:
        self.tenants = tenants
        self.hanging: list[str] = []
        self.got: list[str] = []

    async def send(self, message: Message) -> None:
        if message.tenant in self.tenants:
            self.hanging.append(message.tenant)
            await asyncio.Event().wait()
        self.got.append(message.tenant)


async def test_a_receiver_that_hangs_holds_up_nobody_else() -> None:
    receiver = Hanging("slow", "slower")
    flow = Flow(receiver)
    for number in range(30):
        await flow.ended(number, "slow")
    flow.clock.advance(1.0)
    for number in range(30):
        await flow.ended(number, "slower")
    flow.clock.advance(1.0)
    running = asyncio.create_task(flow.delivering.run())
    for number in range(20):
        await flow.ended(number, "quick")
    async with asyncio.timeout(5):
        while len(receiver.got) < 20:
            await asyncio.sleep(0.002)
    assert Counter(receiver.hanging) == {"slow": 8, "slower": 4}
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_a_message_follows_at_once_when_a_slot_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.pipeline.jobs.delivering._LOOK_S", 3600.0)
    receiver = Hanging()
    flow = Flow(receiver)
    for number in range(100):
        await flow.ended(number)
    running = asyncio.create_task(flow.delivering.run())
    async with asyncio.timeout(5):
        while len(receiver.got) < 100:
            await asyncio.sleep(0.002)
    running.cancel()
    await asyncio.wait([running])


async def test_what_the_store_does_not_hear_is_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    flow = Flow(Receiver())
    asked = await flow.ended()
    delivered = flow.deliveries.delivered

    async def away(_: Delivery) -> bool:
        raise UpstreamUnavailable("The state store is away.")

    flow.deliveries.delivered = away  # type: ignore[method-assign, assignment]
    sending = await flow.delivering.begin()
    assert sending is not None
    await asyncio.wait([sending])
    await asyncio.sleep(0)
    assert "how a message went cannot be kept" in caplog.text
    flow.deliveries.delivered = delivered  # type: ignore[method-assign]
    assert await flow.round() == 0
    flow.clock.advance(31.0)
    assert await flow.round() == 1
    assert await flow.status(asked) == ("delivered", 2)


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_pauses_grow_and_differ(chance: float) -> None:
    patience = Patience()
    pauses = [patience.pause_s(attempt, chance) for attempt in range(1, 13)]
    assert pauses == sorted(pauses)
    assert 3.0 < pauses[0] < 7.0
    assert pauses[-1] <= patience.longest_s * 1.25
    assert sum(pauses[:-1]) > 16 * 3600
