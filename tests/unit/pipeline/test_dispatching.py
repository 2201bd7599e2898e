"""From a request to a server: which pool, which server, what is tried again, and that nothing stays behind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tandem.adapters.scripted.generator import ScriptedGenerator
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.turnstile import Slot, Turnstile
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    ResidencyRefused,
    TandemError,
    UnknownModel,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.question import Message, Sampling
from tandem.domain.tenants import Tenant, Tenants
from tandem.generation.breaker import Breaker, BreakerState
from tandem.generation.endpoints import Endpoint, Endpoints
from tandem.generation.pools import PoolPolicy
from tandem.generation.retries import RetryBudget
from tandem.generation.waking import Waking
from tandem.pipeline.dispatching import Asked, Dispatch
from tandem.pipeline.pool import Pool, Trying

PROMPT = Prompt((Message("user", "hello"),), "answer@1")
CONTEXT = RequestContext("r", "acme")
ASKED = Asked("docs", prompt_tokens=10, answer_tokens=10)
AWAY = UpstreamUnavailable("refused")
CLOCK = SystemClock()


class Meter:
    """Remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def entered(self, pool: str, reason: str, waited_s: float) -> None:
        assert waited_s >= 0
        self.told.append(("entered", pool, reason))

    def refused(self, pool: str, reason: str) -> None:
        self.told.append(("refused", pool, reason))

    def forbidden(self) -> None:
        self.told.append(("forbidden",))

    def retried(self, pool: str, reason: str) -> None:
        self.told.append(("retried", pool, reason))


class Server(ScriptedGenerator):
    """Fails as told, in this order, and then answers; an `asyncio.Event` is waited for before the first token."""

    def __init__(self, *failures: TandemError | asyncio.Event, up: bool = True, model: str = "m") -> None:
        super().__init__(["one ", "two"], card=ModelCard(model, "scripted", 4096))
        self.failures = list(failures)
        self.up = up
        self.asked = 0

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        self.asked += 1
        step = self.failures.pop(0) if self.failures else None
        if isinstance(step, TandemError):
            raise step
        async with super().stream(prompt, sampling, context) as events:
            if step is not None:
                await step.wait()
            yield events

    async def probe(self) -> None:
        if not self.up:
            raise AWAY


class Silent(Server):
    """Says nothing until the deadline, if there is one."""

    deadline_s: float | None = None

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        if self.deadline_s is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(self.deadline_s)
            raise DeadlineExceeded("generation")
        async with super().stream(prompt, sampling, context) as events:
            yield events


def pool(
    name: str,
    *servers: Server,
    slots: int = 4,
    waiting: int = 4,
    wake: int = 0,
    policy: PoolPolicy | None = None,
    breaker_failures: int = 5,
) -> Pool:
    endpoints = Endpoints(
        [Endpoint(one, Breaker(failures=breaker_failures, open_s=60, clock=CLOCK), one.probe) for one in servers]
    )
    limit = AdaptiveLimit(initial=slots, least=slots, most=slots, clock=CLOCK)
    return Pool(
        policy or PoolPolicy(name),
        endpoints,
        Turnstile(limit, max_waiting=waiting, max_wait_s=30, clock=CLOCK),
        Waking(most=wake, hold_s=5, probe_s=0.001, probe=endpoints.probe, clock=CLOCK),
    )


def dispatch(
    *pools: Pool, meter: Meter | None = None, budget: float = 1.0, idle_s: float | None = None, **more: object
) -> Dispatch:
    trying = Trying(RetryBudget(budget, CLOCK), 3, 0.0, idle_s, lambda: 0.0)
    return Dispatch(pools, CLOCK, meter or Meter(), trying, **more)  # type: ignore[arg-type]


async def told(to: Dispatch, asked: Asked = ASKED, context: RequestContext = CONTEXT) -> tuple[str, str, int]:
    """Text, pool, servers asked."""
    async with to.admit(asked, context) as admitted, admitted.stream(PROMPT, Sampling()) as events:
        text = ""
        async for event in events:
            if isinstance(event, Token):
                text += event.text
            else:
                assert isinstance(event, Finished)
                admitted.used(event.usage)
        return text, admitted.route.pool, admitted.route.attempts


def idle(*pools: Pool) -> bool:
    return all(
        not one.turnstile.running and not one.turnstile.waiting and not any(e.running for e in one.endpoints.members)
        for one in pools
    )


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


async def test_a_server_that_failed_a_moment_ago_is_asked_last() -> None:
    bad, good = Server(*[AWAY] * 9), Server()
    to = dispatch(pool("base", bad, good, breaker_failures=99), budget=0.1)
    for _ in range(9):
        assert (await told(to))[1] == "base"
    assert (bad.asked, good.asked) == (1, 9)


async def test_a_server_that_is_away_is_passed_for_another_one() -> None:
    meter = Meter()
    one = pool("base", Server(AWAY), Server())
    assert await told(dispatch(one, meter=meter)) == ("one two", "base", 2)
    assert ("retried", "base", "upstream_unavailable") in meter.told
    assert idle(one)


async def test_a_single_server_is_tried_again() -> None:
    assert await told(dispatch(pool("base", Server(AWAY, AWAY)))) == ("one two", "base", 3)


async def test_tries_are_bounded_by_number_and_by_budget() -> None:
    one = pool("base", Server(AWAY, AWAY, AWAY))
    with pytest.raises(UpstreamUnavailable):
        await told(dispatch(one))
    meter = Meter()
    to = dispatch(pool("base", Server(*[AWAY] * 9), breaker_failures=99), meter=meter, budget=0.1)
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable):
            await told(to)
    assert meter.told.count(("retried", "base", "upstream_unavailable")) == 1
    assert meter.told.count(("retried", "base", "refused")) == 5
    assert idle(one)


@pytest.mark.parametrize("error", [InvalidRequest("no"), UpstreamFailed("broken"), DeadlineExceeded("generation")])
async def test_what_is_not_retryable_is_asked_once(error: TandemError) -> None:
    server = Server(error)
    one = pool("base", server, Server())
    with pytest.raises(type(error)):
        await told(dispatch(one))
    assert server.asked == 1
    assert idle(one)


def broken() -> UpstreamFailed:
    error = UpstreamFailed("500")
    error.elsewhere = True
    return error


async def test_a_failure_of_one_server_is_tried_at_another_never_at_the_same() -> None:
    assert (await told(dispatch(pool("base", Server(broken()), Server()))))[2] == 2
    assert (await told(dispatch(pool("base", Server(broken())), pool("cloud", Server()))))[1] == "cloud"
    alone = Server(broken())
    with pytest.raises(UpstreamFailed):
        await told(dispatch(pool("base", alone)))
    assert alone.asked == 1


async def test_nothing_is_tried_again_after_the_first_token() -> None:
    first = ScriptedGenerator(["one ", "two"], fail_after=1)
    endpoints = Endpoints([Endpoint(first, Breaker(failures=1, open_s=60, clock=CLOCK), Server().probe)])
    one = pool("base", Server())
    one.endpoints = endpoints
    with pytest.raises(UpstreamFailed):
        await told(dispatch(one))
    assert len(first.prompts) == 1
    assert endpoints.members[0].breaker.state is BreakerState.open
    assert idle(one)


async def test_back_pressure_is_waited_for_once_when_there_is_time() -> None:
    later = Overloaded("full", retry_after_s=0.001)
    assert await told(dispatch(pool("base", Server(later)))) == ("one two", "base", 2)
    with pytest.raises(Overloaded):
        await told(dispatch(pool("base", Server(Overloaded("full", retry_after_s=30)))))
    with pytest.raises(Overloaded):
        await told(
            dispatch(pool("base", Server(Overloaded("full", retry_after_s=1)))),
            context=RequestContext("r", deadline_s=CLOCK.monotonic_s() + 0.5),
        )


async def test_three_tries_are_the_most_whatever_was_saved() -> None:
    server = Server()
    to = dispatch(pool("base", server, breaker_failures=99), budget=1.0)
    for _ in range(10):
        await told(to)
    server.failures = [AWAY] * 9
    with pytest.raises(UpstreamUnavailable):
        await told(to)
    assert server.asked == 13


async def test_the_limit_hears_of_first_tokens_and_of_back_pressure(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    for name in ("asked", "first_token", "pushed_back"):
        monkeypatch.setattr(Slot, name, lambda _, name=name: heard.append(name))
    await told(dispatch(pool("base", Server(Overloaded("full", retry_after_s=0)))))
    assert heard == ["asked", "pushed_back", "asked", "first_token"]


async def test_an_answer_ends_a_row_of_failures() -> None:
    server = Server(UpstreamFailed("a"))
    one = pool("base", server, breaker_failures=2)
    to = dispatch(one)
    for failure in (None, UpstreamFailed("b")):
        with pytest.raises(UpstreamFailed):
            await told(to)
        if failure is not None:
            break
        await told(to)
        server.failures = [UpstreamFailed("b")]
    assert one.endpoints.up


async def test_a_try_that_was_left_makes_room_for_the_next_one() -> None:
    server = Server(UpstreamFailed("a"), asyncio.Event())
    one = pool("base", server)
    one.endpoints.members[0].breaker = breaker = Breaker(failures=1, open_s=0.01, clock=CLOCK)
    to = dispatch(one)
    with pytest.raises(UpstreamFailed):
        await told(to)
    await asyncio.sleep(0.02)
    trying = asyncio.create_task(told(to))
    while not server.running:
        await asyncio.sleep(0)
    assert not breaker.admits
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert breaker.admits


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


async def test_back_pressure_opens_no_breaker() -> None:
    server = Server(*[Overloaded("full", retry_after_s=30)] * 20)
    one = pool("base", server, breaker_failures=1)
    to = dispatch(one)
    for _ in range(3):
        with pytest.raises(Overloaded):
            await told(to)
    assert one.endpoints.up


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


async def test_an_open_breaker_answers_without_queueing() -> None:
    server, meter = Server(UpstreamFailed("broken")), Meter()
    one = pool("base", server, breaker_failures=1)
    to = dispatch(one, meter=meter)
    with pytest.raises(UpstreamFailed):
        await told(to)
    with pytest.raises(UpstreamUnavailable) as refused:
        await told(to)
    assert server.asked == 1
    assert meter.told == [("entered", "base", "preferred"), ("refused", "base", "down")]
    assert refused.value.retry_after_s == pytest.approx(60, abs=2)


async def test_a_silent_server_is_left_for_another_and_its_answer_cancelled() -> None:
    silent = Server(asyncio.Event())
    one = pool("base", silent, Server())
    assert await told(dispatch(one, idle_s=0.01)) == ("one two", "base", 2)
    assert silent.running == 0
    assert idle(one)


async def test_a_silent_server_is_waited_for_when_there_is_no_other() -> None:
    speak = asyncio.Event()
    asking = asyncio.create_task(told(dispatch(pool("base", Server(speak)), idle_s=0.001)))
    await asyncio.sleep(0.02)
    speak.set()
    assert await asking == ("one two", "base", 1)


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


def servers_of(pools: Sequence[Pool]) -> list[Endpoint]:
    return [endpoint for one in pools for endpoint in one.endpoints.members]


async def test_a_hundred_requests_over_failing_servers_leave_every_slot_free() -> None:
    meter = Meter()
    base = pool("base", *(Server(*[AWAY] * n) for n in range(4)), slots=3, waiting=200, breaker_failures=99)
    to = dispatch(base, meter=meter, budget=1.0)
    answers = await asyncio.gather(*(told(to) for _ in range(100)), return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, BaseException)] == []
    assert idle(base)
    assert all(endpoint.running == 0 for endpoint in servers_of([base]))


@pytest.mark.parametrize("ended_by", ["deadline", "client"])
async def test_a_server_that_is_silent_for_longer_than_anybody_waits_opens_its_breaker(
    ended_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.admission.turnstile._UNKNOWN_SILENCE_S", 0.02)
    server = Silent()
    one = pool("base", server, breaker_failures=2)
    to = dispatch(one)
    for wait_s in (0.0, 0.0, 0.0, 0.03, 0.03):
        assert one.endpoints.up, "nobody can tell after so short a time"
        server.deadline_s = wait_s if ended_by == "deadline" else None
        asking = asyncio.create_task(told(to))
        if ended_by == "client":
            await asyncio.sleep(wait_s)
            asking.cancel()
        with pytest.raises((DeadlineExceeded, asyncio.CancelledError)):
            await asking
    assert not one.endpoints.up
    assert idle(one)


async def test_a_try_that_is_refused_for_the_requests_own_fault_closes_a_breaker() -> None:
    server = Server(UpstreamFailed("a"), InvalidRequest("no"))
    one = pool("base", server)
    one.endpoints.members[0].breaker = breaker = Breaker(failures=1, open_s=0.01, clock=CLOCK)
    to = dispatch(one)
    with pytest.raises(UpstreamFailed):
        await told(to)
    await asyncio.sleep(0.02)
    with pytest.raises(InvalidRequest):
        await told(to)
    assert breaker.state is BreakerState.closed


async def test_a_server_that_asks_for_time_is_given_it() -> None:
    busy = UpstreamUnavailable("503", retry_after_s=30)
    server = Server(busy)
    with pytest.raises(UpstreamUnavailable):
        await told(dispatch(pool("base", server)))
    assert server.asked == 1
    assert (await told(dispatch(pool("base", Server(busy), Server()))))[2] == 2


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
