"""From a request to a slot: which pool, who is held, what is spent, and that nothing stays behind."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from fakes.pools import ASKED, AWAY, CONTEXT, PROMPT, Meter, Server, dispatch, idle, pool, told
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    Overloaded,
    ResidencyRefused,
    TandemError,
    UnknownModel,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import Finished, ModelCard, Token, Usage
from tandem.domain.question import Sampling
from tandem.domain.tenants import Tenant, Tenants
from tandem.generation.pools import PoolPolicy
from tandem.pipeline.dispatching import Asked


async def test_a_request_is_answered_and_leaves_nothing_behind() -> None:
    one, meter = pool("base", Server()), Meter()
    to = dispatch(one, meter=meter)
    async with to.admit(ASKED, CONTEXT) as admitted:
        assert [(load.demand, load.running) for load in to.load()] == [(1, 1)]
        async with admitted.stream(PROMPT, Sampling()) as events:
            assert [event async for event in events] == [Token("one "), Token("two"), Finished("stop", Usage(1, 2))]
    assert [(load.demand, load.running) for load in to.load()] == [(0, 0)]
    assert meter.told == [("entered", "base", "preferred")]
    assert idle(one)


async def test_the_least_loaded_server_is_asked() -> None:
    servers = [Server(), Server(), Server()]
    to = dispatch(pool("base", *servers))
    async with AsyncExitStack() as held:
        for _ in range(3):
            admitted = await held.enter_async_context(to.admit(ASKED, CONTEXT))
            await held.enter_async_context(admitted.stream(PROMPT, Sampling()))
        assert [server.running for server in servers] == [1, 1, 1]


async def test_an_answer_wakes_a_pool_and_a_sleeping_one_is_passed() -> None:
    server, meter = Server(), Meter()
    base, cloud = pool("base", server, wake=2), pool("cloud", Server())
    to = dispatch(base, cloud, meter=meter)
    async with to.admit(ASKED, CONTEXT) as admitted:
        base.waking.slept()
        assert (await told(to))[1] == "cloud"
        assert meter.told[-1] == ("entered", "cloud", "down")
        assert ("refused", "base", "down") not in meter.told, "nobody was held for it"
        async with admitted.stream(PROMPT, Sampling()):
            assert not base.waking.asleep
    base.waking.slept()
    assert [load.demand for load in to.load()] == [0, 0]


async def test_the_next_pool_answers_when_all_servers_of_one_fail() -> None:
    meter = Meter()
    base, cloud = pool("base", Server(AWAY)), pool("cloud", Server())
    assert await told(dispatch(base, cloud, meter=meter)) == ("one two", "cloud", 2)
    assert meter.told[-1] == ("entered", "cloud", "failed")
    assert idle(base, cloud)


async def test_a_full_pool_spills_to_the_next_one() -> None:
    base, cloud = pool("base", Server(), slots=1, waiting=0), pool("cloud", Server())
    to = dispatch(base, cloud)
    async with to.admit(ASKED, CONTEXT):
        assert (await told(to))[1] == "cloud"
        assert [load.demand for load in to.load()] == [1, 0]
    assert idle(base, cloud)


async def test_all_full_is_said_at_once_and_before_any_work() -> None:
    base = pool("base", Server(), slots=1, waiting=0)
    to = dispatch(base)
    assert to.refusal("acme") is None
    async with to.admit(ASKED, CONTEXT):
        assert isinstance(to.refusal("acme"), Overloaded)
        with pytest.raises(Overloaded) as refused:
            await told(to)
        assert refused.value.retry_after_s > 0
    assert to.refusal("acme") is None


async def test_requests_are_held_until_a_sleeping_pool_is_up() -> None:
    server = Server(AWAY, up=False)
    one = pool("base", server, wake=2)
    to = dispatch(one, budget=0.0)
    watching = asyncio.create_task(one.waking.watch())
    try:
        first = asyncio.create_task(told(to))
        while not one.waking.held:
            await asyncio.sleep(0)
        second = asyncio.create_task(told(to))
        while one.waking.held < 2:
            await asyncio.sleep(0)
        assert [(load.demand, load.held) for load in to.load()] == [(2, 2)]
        with pytest.raises(UpstreamUnavailable):
            await told(to)
        server.up = True
        assert [(await first)[0], (await second)[0]] == ["one two", "one two"]
    finally:
        watching.cancel()
    assert idle(one)
    assert [load.demand for load in to.load()] == [0]


@pytest.mark.parametrize("held_by", ["queue", "first token", "stream"])
async def test_a_cancelled_request_frees_its_slot(held_by: str) -> None:
    server = Server(asyncio.Event()) if held_by == "first token" else Server()
    one = pool("base", server, slots=1)
    to = dispatch(one)
    reached = asyncio.Event()

    async def ask() -> None:
        async with to.admit(ASKED, CONTEXT) as admitted, admitted.stream(PROMPT, Sampling()) as events:
            await anext(events)
            reached.set()
            await asyncio.Event().wait()

    async with AsyncExitStack() as held:
        if held_by == "queue":
            await held.enter_async_context(to.admit(ASKED, CONTEXT))
        asking = asyncio.create_task(ask())
        if held_by == "stream":
            await reached.wait()
        while not (one.turnstile.waiting if held_by == "queue" else server.running):
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert idle(one)
    assert [load.demand for load in to.load()] == [0]


async def test_residency_is_enforced_and_counted() -> None:
    meter = Meter()
    base = pool("base", Server(), policy=PoolPolicy("base", region="eu"))
    cloud = pool("cloud", Server(), policy=PoolPolicy("cloud", region="us"))
    tenants = Tenants({"acme": Tenant("acme", regions=frozenset({"us"}))})
    to = dispatch(base, cloud, meter=meter, tenants=tenants, collections={"hr": frozenset({"eu"})})
    assert (await told(to))[1] == "cloud"
    async with to.admit(ASKED, CONTEXT) as admitted:
        assert admitted.route.regions == ("us",)
    with pytest.raises(ResidencyRefused):
        await told(to, Asked("hr", 1, 1))
    assert meter.told[-1] == ("forbidden",)
    assert (await told(to, Asked("hr", 1, 1), RequestContext("r", "other")))[1] == "base"


async def test_a_failure_never_leads_to_a_pool_that_policy_forbids() -> None:
    base = pool("base", Server(AWAY, AWAY, AWAY), policy=PoolPolicy("base", region="eu"))
    forbidden = Server()
    cloud = pool("cloud", forbidden, policy=PoolPolicy("cloud", region="us"))
    to = dispatch(base, cloud, tenants=Tenants(default=Tenant("default", regions=frozenset({"eu"}))))
    with pytest.raises(UpstreamUnavailable):
        await told(to)
    assert forbidden.asked == 0


async def test_a_model_of_one_pool_is_answered_by_that_pool() -> None:
    to = dispatch(pool("base", Server(model="small")), pool("cloud", Server(model="large")))
    assert [card.id for card in await to.models()] == ["small", "large"]
    assert (await told(to, Asked("docs", 1, 1, model="large")))[1] == "cloud"
    with pytest.raises(UnknownModel):
        await told(to, Asked("docs", 1, 1, model="huge"))


async def test_caps_count_what_was_used() -> None:
    base = pool("base", Server(), policy=PoolPolicy("base", tokens_per_day=40, input_cost=1.0))
    to = dispatch(base)
    await told(to)
    assert [(load.spent_tokens, load.spent_cost) for load in to.load()] == [(3, 1.0)]
    async with to.admit(ASKED, CONTEXT):
        assert to.load()[0].spent_tokens == 23
        with pytest.raises(Overloaded, match="daily cap"):
            await told(to)
    assert to.load()[0].spent_tokens == 3


async def test_requests_that_wait_for_a_slot_do_not_spend_more_than_the_cap() -> None:
    meter = Meter()
    base = pool("base", Server(), slots=1, policy=PoolPolicy("base", tokens_per_day=40))
    cloud = pool("cloud", Server())
    to = dispatch(base, cloud, meter=meter)
    async with to.admit(ASKED, CONTEXT) as first:
        waiting = [asyncio.create_task(told(to)) for _ in range(2)]
        while base.turnstile.waiting < 2:
            await asyncio.sleep(0)
        first.used(Usage(30, 5))
    assert [(await one)[1] for one in waiting] == ["cloud", "cloud"]
    assert to.load()[0].spent_tokens == 35
    assert meter.told.count(("refused", "base", "cap")) == 2
    assert meter.told[-1] == ("entered", "cloud", "cap")
    assert idle(base, cloud)


class Unknown(Server):
    """A server that never tells what it serves, and fails as told when it is asked."""

    def __init__(self, failure: TandemError | None = None) -> None:
        super().__init__()
        self.told = asyncio.Event()
        self.failure = failure

    async def card(self) -> ModelCard:
        if self.failure is not None:
            raise self.failure
        await self.told.wait()
        return await super().card()


async def test_a_model_that_is_known_does_not_wait_for_a_pool_that_is_not() -> None:
    unknown = Unknown()
    base, cloud = pool("base", unknown), pool("cloud", Server(model="large"))
    to = dispatch(base, cloud)
    await cloud.model()
    async with asyncio.timeout(1):
        assert (await told(to, Asked("docs", 1, 1, model="large")))[1] == "cloud"
    learning = asyncio.create_task(base.learn(0.001))
    unknown.told.set()
    await learning
    assert base.known
    assert (await told(to, Asked("docs", 1, 1, model="m")))[1] == "base"


@pytest.mark.parametrize("failure", [AWAY, Overloaded("429"), UnknownModel("404")])
async def test_a_pool_asks_its_other_servers_and_again_what_it_serves(failure: TandemError) -> None:
    silent = Unknown(failure)
    assert (await pool("base", silent, Server()).model()).id == "m"
    alone = pool("base", silent)
    with pytest.raises((UpstreamUnavailable, UpstreamFailed, Overloaded)):
        await alone.model()
    learning = asyncio.create_task(alone.learn(0.001))
    await asyncio.sleep(0.01)
    silent.failure = None
    silent.told.set()
    await learning
    assert alone.known


async def test_the_model_of_an_answer_is_that_of_the_server_that_gives_it() -> None:
    first, second = Server(model="old"), Server(model="new")
    to = dispatch(pool("base", first, second))
    async with to.admit(ASKED, CONTEXT) as one, to.admit(ASKED, CONTEXT) as other:
        assert (await other.model()).id == "old", "the first that tells, before one answers"
        async with one.stream(PROMPT, Sampling()), other.stream(PROMPT, Sampling()):
            assert ((await one.model()).id, (await other.model()).id) == ("old", "new")
