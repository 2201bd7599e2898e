"""Six times what a slow model can do, for some seconds: the gateway stays fair and quick, and ends up empty."""

import asyncio

import pytest

from bench.overload import CAPACITY, SLOTS, Level, gateway, model, offered
from fakes.slotted_llm import Slots

pytestmark = pytest.mark.component


async def _overloaded(slots: Slots) -> tuple[Level, dict[str, float]]:
    async with model(slots) as url, gateway(url) as platform:
        found = await offered(platform, 6, 4, 3)
        await asyncio.sleep(0.2)
        return found, await platform.metrics()


@pytest.mark.parametrize("sheds", [False, True], ids=["a model that queues", "a model that says 429"])
async def test_an_overloaded_gateway_serves_what_the_model_can(sheds: bool) -> None:
    slots = Slots(SLOTS, sheds=sheds)
    found, metrics = await _overloaded(slots)
    # With much slack: the machine may be busy with other things.
    assert found.goodput > 0.5 * CAPACITY
    assert found.jain > 0.8
    assert set(found.status) == {200, 429}
    assert slots.most_waiting < 3 * SLOTS
    assert [metrics[f'tandem_pool_{what}{{pool="default"}}'] for what in ("running", "waiting")] == [0, 0]
    assert slots.taken == 0
