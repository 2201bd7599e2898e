"""Requests, tokens and slots of a tenant; what is told, what goes back, and what happens when the store is lost."""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.adapters.quotas.memory import MemoryQuotas
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.admission.quotas import Quotas
from tandem.admission.store_watch import StoreWatch
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, RateLimited, UpstreamUnavailable
from tandem.domain.quota import Level, Standing
from tandem.domain.tenants import Tenant, Tenants
from tandem.ports.quotas import Entry, Lease, Limits, QuotaStore, Reserved

ACME = Tenant("acme", requests_per_minute=3, tokens_per_minute=1000)


class Meter:
    def __init__(self) -> None:
        self.up: list[bool] = []
        self.alone = 0
        self.refused: list[str] = []

    def quota_store(self, *, up: bool) -> None:
        self.up.append(up)

    def decided_without_store(self) -> None:
        self.alone += 1

    def quota_refused(self, quota: str) -> None:
        self.refused.append(quota)


class Breakable(MemoryQuotas):
    """A store that can be away; counts how often it was asked."""

    def __init__(self, clock: ScriptedClock) -> None:
        super().__init__(clock)
        self.away = False
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise UpstreamUnavailable("away")

    async def enter(self, lease: Lease, limits: Limits, lease_s: float) -> Entry:
        self._ask()
        entry = await super().enter(lease, limits, lease_s)
        await self.answers.wait()
        return entry

    async def leave(self, lease: Lease) -> None:
        self._ask()
        await super().leave(lease)

    async def renew(self, leases: Sequence[Lease], lease_s: float) -> None:
        self._ask()
        await super().renew(leases, lease_s)

    async def reserve(self, tenant: str, per_minute: int, tokens: int) -> Reserved:
        self._ask()
        return await super().reserve(tenant, per_minute, tokens)

    async def settle(self, tenant: str, per_minute: int, back: int) -> Level:
        self._ask()
        return await super().settle(tenant, per_minute, back)

    async def ping(self) -> None:
        self._ask()


class Bench:
    """Quotas over a store that can break, by a clock of the test's own."""

    def __init__(self, *, local_share: float | None = None, lease_s: float = 30.0) -> None:
        self.clock = ScriptedClock()
        self.meter = Meter()
        self.store = Breakable(self.clock)
        local: QuotaStore | None = None if local_share is None else MemoryQuotas(self.clock)
        self.watch = StoreWatch(self.store, self.meter, local=local, local_share=local_share or 1.0)
        ids = (f"lease-{n}" for n in count())
        self.quotas = Quotas(
            Tenants({}), self.watch, self.clock, meter=self.meter, new_id=lambda: next(ids), lease_s=lease_s
        )

    async def ask(self, tenant: Tenant) -> Standing:
        standing = Standing()
        async with self.quotas.request(tenant, standing):
            return standing

    async def lose(self) -> None:
        self.store.away = True
        for _ in range(3):
            with contextlib.suppress(UpstreamUnavailable):
                await self.ask(Tenant("somebody", concurrency=100))
        assert self.watch.lost


async def test_an_unlimited_tenant_pays_nothing() -> None:
    bench = Bench()
    free = Tenant("free")
    assert await bench.ask(free) == Standing()
    async with bench.quotas.reserved(free, 10**9, RequestContext("r", "free")) as reservation:
        reservation.settle(10**9)
    assert bench.store.asked == 0


async def test_requests_over_the_quota_wait_as_long_as_they_are_told() -> None:
    bench = Bench()
    for left in (2, 1, 0):
        assert (await bench.ask(ACME)).requests == Level(3, left, (3 - left) * 20)
    standing = Standing()
    with pytest.raises(RateLimited, match="3 requests per minute") as refused:
        async with bench.quotas.request(ACME, standing):
            raise AssertionError
    assert standing == Standing(Level(3, 0, 60), Level(1000, 1000, 0))
    assert refused.value.retry_after_s == pytest.approx(20)
    bench.clock.advance(19.9)
    with pytest.raises(RateLimited):
        await bench.ask(ACME)
    bench.clock.advance(refused.value.retry_after_s - 19.9)
    await bench.ask(ACME)
    assert bench.meter.refused == ["requests", "requests"]


async def test_a_storm_over_the_quota_stays_off_the_store() -> None:
    bench, tenant = Bench(), Tenant("acme", requests_per_minute=1)
    await bench.ask(tenant)
    asked = bench.store.asked
    for n in range(50):
        standing = Standing()
        with pytest.raises(RateLimited) as refused:
            async with bench.quotas.request(tenant, standing):
                raise AssertionError
        assert refused.value.retry_after_s == pytest.approx(60 - n)
        assert standing.requests == Level(1, 0, pytest.approx(60 - n))  # type: ignore[arg-type]
        bench.clock.advance(1)
    assert bench.store.asked == asked + 1
    assert bench.meter.refused == ["requests"] * 50
    bench.clock.advance(10)
    await bench.ask(tenant)


async def test_what_one_store_refused_another_may_allow() -> None:
    bench, tenant = Bench(local_share=0.5), Tenant("acme", requests_per_minute=4)
    await bench.lose()
    for _ in range(2):
        await bench.ask(tenant)
    with pytest.raises(RateLimited, match="2 requests"):
        await bench.ask(tenant)
    bench.store.away = False
    watching = asyncio.create_task(bench.watch.watch())
    await asyncio.sleep(0.01)
    watching.cancel()
    assert (await bench.ask(tenant)).requests == Level(4, 3, 15)


async def test_of_many_tenants_only_the_latest_are_remembered() -> None:
    bench = Bench()
    for n in range(1100):
        tenant = Tenant(f"tenant-{n}", requests_per_minute=1, concurrency=1)
        await bench.ask(tenant)
        with pytest.raises(RateLimited):
            await bench.ask(tenant)
    assert len(bench.quotas._spent) == len(bench.quotas._durations_s) == 1000


async def test_slots_come_back_whatever_ends_the_request() -> None:
    bench, tenant = Bench(), Tenant("acme", concurrency=1)
    for fault in (ValueError, asyncio.CancelledError):
        with contextlib.suppress(fault):
            async with bench.quotas.request(tenant, Standing()):
                with pytest.raises(RateLimited, match="same time"):
                    await bench.ask(tenant)
                raise fault
    await bench.ask(tenant)
    assert bench.quotas._held == {}


async def test_who_is_cancelled_while_entering_leaves_no_slot_taken() -> None:
    bench, tenant = Bench(), Tenant("acme", concurrency=1)
    bench.store.answers.clear()
    entering = asyncio.create_task(bench.ask(tenant))
    while not bench.store._running:
        await asyncio.sleep(0)
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)
    assert entering.cancelled()
    bench.store.answers.set()
    await bench.ask(tenant)


async def test_the_wait_for_a_slot_follows_how_long_requests_take() -> None:
    bench, tenant = Bench(), Tenant("acme", concurrency=2)
    for _ in range(20):
        async with bench.quotas.request(tenant, Standing()):
            bench.clock.advance(8)
    async with bench.quotas.request(tenant, Standing()), bench.quotas.request(tenant, Standing()):
        with pytest.raises(RateLimited) as refused:
            await bench.ask(tenant)
    assert refused.value.retry_after_s == pytest.approx(4)


async def test_slots_are_kept_while_their_requests_run() -> None:
    bench, tenant = Bench(lease_s=0.03), Tenant("acme", concurrency=1)
    keeping = asyncio.create_task(bench.quotas.keep())
    async with bench.quotas.request(tenant, Standing()):
        for _ in range(5):
            await asyncio.sleep(0.015)
            bench.clock.advance(0.02)
        bench.store.away = True
        await asyncio.sleep(0.015)
        bench.store.away = False
        assert not keeping.done()
        with pytest.raises(RateLimited):
            await bench.ask(tenant)
    bench.clock.advance(1)
    keeping.cancel()


@pytest.mark.parametrize(("used", "left"), [(None, 1000), (0, 1000), (150, 850), (400, 600), (700, 300), (5000, 0)])
async def test_what_was_not_used_goes_back(used: int | None, left: int) -> None:
    bench = Bench()
    context = RequestContext("r", "acme", standing=Standing())
    async with bench.quotas.reserved(ACME, 400, context) as reservation:
        assert context.standing is not None
        assert context.standing.tokens == Level(1000, 600, 24)
        if used is not None:
            reservation.settle(used)
    assert context.standing.tokens is not None
    assert context.standing.tokens.remaining == left


async def test_a_cancelled_answer_costs_what_it_used() -> None:
    bench = Bench()
    context = RequestContext("r", "acme", standing=Standing())
    with contextlib.suppress(asyncio.CancelledError):
        async with bench.quotas.reserved(ACME, 400, context) as reservation:
            reservation.settle(100)
            reservation.settle(120)
            raise asyncio.CancelledError
    assert context.standing is not None and context.standing.tokens is not None
    assert context.standing.tokens.remaining == 880


async def test_tokens_over_the_quota_wait_as_long_as_they_are_told() -> None:
    bench = Bench()
    context = RequestContext("r", "acme", standing=Standing())
    async with bench.quotas.reserved(ACME, 900, RequestContext("other", "acme")):
        with pytest.raises(RateLimited, match="1000 tokens per minute: 500 are asked for, 100 are left") as refused:
            async with bench.quotas.reserved(ACME, 500, context):
                raise AssertionError
        assert refused.value.retry_after_s == pytest.approx(24)
        assert context.standing is not None
        assert context.standing.tokens == Level(1000, 100, 54)
    assert bench.meter.refused == ["tokens"]


async def test_what_can_never_pass_is_no_matter_of_waiting() -> None:
    bench = Bench()
    with pytest.raises(InvalidRequest, match="quota is 1000") as refused:
        async with bench.quotas.reserved(ACME, 1001, RequestContext("r", "acme")):
            raise AssertionError
    assert refused.value.param == "max_tokens"
    assert bench.store.asked == 0


@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.integers(1, 1000), st.none() | st.integers(0, 3000)), min_size=1, max_size=25
    )
)
def test_over_any_minute_no_more_tokens_are_used_than_reserved_and_refilled(
    requests: list[tuple[float, int, int | None]],
) -> None:
    async def run() -> None:
        bench = Bench()
        charged: list[tuple[float, int]] = []
        for pause_s, tokens, used in requests:
            bench.clock.advance(pause_s)
            with contextlib.suppress(RateLimited):
                async with bench.quotas.reserved(ACME, tokens, RequestContext("r", "acme")) as reservation:
                    if used is not None:
                        reservation.settle(used)
                charged.append((bench.clock.monotonic_s(), min(used or 0, tokens)))
        for place, (from_s, _) in enumerate(charged):
            within = [amount for at_s, amount in charged[place:] if at_s <= from_s + 60]
            assert sum(within) <= 2000 + 1

    asyncio.run(run())


async def test_a_lost_store_lets_nothing_limited_pass() -> None:
    bench = Bench()
    bench.store.away = True
    with pytest.raises(UpstreamUnavailable, match="quota store") as refused:
        await bench.ask(ACME)
    assert refused.value.hint
    with pytest.raises(UpstreamUnavailable):
        async with bench.quotas.reserved(ACME, 10, RequestContext("r", "acme")):
            raise AssertionError
    assert await bench.ask(Tenant("free")) == Standing()
    assert bench.meter.alone == 2


async def test_one_slow_answer_is_no_loss() -> None:
    bench = Bench()
    for _ in range(5):
        bench.store.away = True
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable):
                await bench.ask(Tenant("acme", concurrency=5))
        bench.store.away = False
        await bench.ask(Tenant("acme", concurrency=5))
    assert bench.meter.up == [True]


async def test_a_lost_store_is_not_asked_by_requests() -> None:
    bench = Bench()
    await bench.lose()
    asked = bench.store.asked
    for _ in range(100):
        with pytest.raises(UpstreamUnavailable):
            await bench.ask(ACME)
    assert bench.store.asked == asked
    assert bench.meter.up == [True, False]


async def test_it_finds_out_by_itself_that_the_store_is_back() -> None:
    bench = Bench()
    await bench.lose()
    bench.store.away = False
    watching = asyncio.create_task(bench.watch.watch())
    await asyncio.sleep(0.01)
    assert not bench.watch.lost
    await bench.ask(ACME)
    assert bench.meter.up == [True, False, True]
    watching.cancel()


async def test_alone_each_replica_gives_away_its_share() -> None:
    bench = Bench(local_share=0.5)
    bench.store.away = True
    tenant = Tenant("acme", requests_per_minute=5, tokens_per_minute=1000, concurrency=3)
    standings = [await bench.ask(tenant) for _ in range(2)]
    assert standings[-1] == Standing(Level(2, 0, 60), Level(500, 500, 0))
    with pytest.raises(RateLimited, match="2 requests per minute"):
        await bench.ask(tenant)
    # What fits the quota but not the share takes all of the share, rather than never pass.
    async with bench.quotas.reserved(tenant, 800, RequestContext("r", "acme")) as reservation:
        reservation.settle(100)
    left, store = await bench.watch.ask(lambda store, _: store.settle("acme", 500, 0))
    assert left.remaining == 400
    assert store is bench.watch._local


async def test_a_share_is_never_nothing() -> None:
    bench = Bench(local_share=0.01)
    bench.store.away = True
    assert (await bench.ask(Tenant("acme", requests_per_minute=5, concurrency=1))).requests == Level(1, 0, 60)


async def test_what_the_shared_store_gave_goes_back_to_it() -> None:
    bench, tenant = Bench(local_share=0.5), Tenant("acme", concurrency=1)
    async with bench.quotas.request(tenant, Standing()):
        bench.store.away = True
        # The local store knows nothing of that slot: this replica's share is free.
        await bench.ask(tenant)
        bench.store.away = False
        with pytest.raises(RateLimited):
            await bench.ask(tenant)
    await bench.ask(tenant)
