"""The choice of a pool: order, spill with hysteresis, caps, windows, conversations, and residency above all."""

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.errors import Overloaded, ResidencyRefused
from tandem.domain.generation import Usage
from tandem.domain.tenants import Tenant
from tandem.generation.pools import Choice, Demand, PoolChoice, PoolPolicy, PoolView, conversation_key

BASE = PoolPolicy("base", region="eu")
CLOUD = PoolPolicy("cloud", region="us", input_cost=1e-6, output_cost=4e-6)
FREE = PoolView(0.0, up=True)
FULL = PoolView(9.0, up=True)
DOWN = PoolView(0.0, up=False)


def demand(**fields: object) -> Demand:
    known: dict[str, object] = {"tenant": Tenant("acme"), "prompt_tokens": 100, "answer_tokens": 50}
    return Demand(**{**known, **fields})  # type: ignore[arg-type]


def chosen(choice: PoolChoice, wanted: Demand | None = None, **views: PoolView) -> Choice:
    return choice.choose(wanted or demand(), {"base": FREE, "cloud": FREE, **views})


def two(clock: ScriptedClock | None = None) -> PoolChoice:
    return PoolChoice([BASE, CLOUD], clock or ScriptedClock())


def test_the_first_pool_is_taken_while_it_has_room() -> None:
    assert chosen(two()) == Choice(("base", "cloud"), "preferred", "base")


def test_a_long_wait_spills_and_only_a_short_one_after_the_hold_comes_back() -> None:
    clock = ScriptedClock()
    choice = two(clock)
    assert chosen(choice, base=FULL) == Choice(("cloud", "base"), "queue_wait", "base")
    assert chosen(choice, base=FREE).pools[0] == "cloud", "not before the hold is over"
    clock.advance(10.0)
    assert chosen(choice, base=PoolView(1.0, up=True)).pools[0] == "cloud", "not while the wait is in between"
    assert chosen(choice, base=PoolView(0.4, up=True)).pools[0] == "base"
    assert chosen(choice, base=PoolView(1.0, up=True)).pools[0] == "base", "and not away again in between"


def test_a_pool_that_is_down_is_passed() -> None:
    assert chosen(two(), base=DOWN) == Choice(("cloud", "base"), "down", "base")


def test_when_all_are_passed_the_shortest_wait_among_those_up_is_best() -> None:
    assert chosen(two(), base=PoolView(3.0, up=True), cloud=FULL).pools == ("base", "cloud")
    assert chosen(two(), base=DOWN, cloud=FULL).pools == ("cloud", "base")


@pytest.mark.parametrize(("hour", "pool"), [(22, "base"), (23, "cloud"), (1, "cloud"), (2, "base")])
def test_a_closed_window_over_midnight(hour: int, pool: str) -> None:
    base = PoolPolicy("base", closed=((time(23), time(2)),))
    clock = ScriptedClock(epoch_s=1_767_225_600.0 + hour * 3600)
    assert chosen(PoolChoice([base, CLOUD], clock)).pools[0] == pool


def test_a_spent_token_cap_passes_the_pool_until_midnight() -> None:
    clock = ScriptedClock()
    choice = PoolChoice([PoolPolicy("base", tokens_per_day=400), CLOUD], clock)
    first, second = choice.reserve("base", demand()), choice.reserve("base", demand())
    assert chosen(choice) == Choice(("cloud",), "cap", "base")
    first.settle(Usage(100, 10))
    second.settle(None)
    assert choice.spent_today("base")[0] == 110
    assert chosen(choice).pools == ("base", "cloud")
    choice.reserve("base", demand()).settle(Usage(300, 100))
    assert chosen(choice).reason == "cap"
    clock.advance(86_400)
    assert chosen(choice).pools[0] == "base"


def test_a_cost_cap_counts_both_prices_and_refuses_when_nothing_is_left() -> None:
    clock = ScriptedClock()
    clock.advance(3600)
    choice = PoolChoice([PoolPolicy("cloud", input_cost=1e-6, output_cost=4e-6, cost_per_day=0.0005)], clock)
    spend = choice.reserve("cloud", demand())
    assert choice.spent_today("cloud")[1] == pytest.approx(0.0003)
    with pytest.raises(Overloaded) as refused:
        choice.choose(demand(), {"cloud": FREE})
    assert refused.value.retry_after_s == pytest.approx(23 * 3600)
    assert spend.settle(Usage(10, 5)) == pytest.approx(0.00003)
    assert choice.choose(demand(), {"cloud": FREE}).pools == ("cloud",)


def test_a_request_from_yesterday_does_not_settle_with_today() -> None:
    clock = ScriptedClock()
    choice = PoolChoice([BASE], clock)
    spend = choice.reserve("base", demand())
    clock.advance(86_400)
    choice.reserve("base", demand())
    spend.settle(Usage(1, 1))
    assert choice.spent_today("base")[0] == 150


def test_a_conversation_stays_where_its_prefix_is_cached() -> None:
    clock = ScriptedClock()
    choice = two(clock)
    key = conversation_key("acme", "hello")
    assert chosen(choice, demand(conversation=key), base=FULL).pools[0] == "cloud"
    choice.reserve("cloud", demand(conversation=key))
    clock.advance(10.0)
    assert chosen(choice, demand()).pools[0] == "base"
    assert chosen(choice, demand(conversation=key, follows=True)) == Choice(("cloud", "base"), "sticky", "base")
    assert chosen(choice, demand(conversation=key)).pools[0] == "base", "a first turn has no prefix to keep"
    assert chosen(choice, demand(conversation=key, follows=True), cloud=DOWN).pools[0] == "base"


def test_a_conversation_is_forgotten_after_ten_minutes() -> None:
    clock = ScriptedClock()
    choice = two(clock)
    choice.reserve("cloud", demand(conversation="k"))
    clock.advance(599)
    assert chosen(choice, demand(conversation="k", follows=True)).pools[0] == "cloud"
    clock.advance(2)
    assert chosen(choice, demand(conversation="k", follows=True)).pools[0] == "base"


@given(
    st.lists(st.sampled_from(["eu", "us", "asia"]), min_size=1, max_size=5),
    st.none() | st.frozensets(st.sampled_from(["eu", "us", "asia"])),
    st.none() | st.frozensets(st.sampled_from(["eu", "us", "asia"])),
    st.data(),
)
def test_no_pool_outside_both_policies_is_ever_named(
    regions: list[str], tenant: frozenset[str] | None, collection: frozenset[str] | None, data: st.DataObject
) -> None:
    pools = [PoolPolicy(f"p{i}", region=region) for i, region in enumerate(regions)]
    views = {pool.name: data.draw(st.sampled_from([FREE, FULL, DOWN])) for pool in pools}
    wanted = demand(tenant=Tenant("acme", regions=tenant), regions=collection, conversation="k", follows=True)
    choice = PoolChoice(pools, ScriptedClock())
    fine = {p.name for p in pools if all(policy is None or p.region in policy for policy in (tenant, collection))}
    for _ in range(2):
        if fine:
            assert set(choice.choose(wanted, views).pools) == fine
        else:
            with pytest.raises(ResidencyRefused):
                choice.choose(wanted, views)


def test_residency_goes_before_the_wanted_model() -> None:
    wanted = demand(tenant=Tenant("acme", regions=frozenset({"eu"})), pools=frozenset({"cloud"}))
    with pytest.raises(ResidencyRefused):
        chosen(two(), wanted)


def test_a_pool_that_was_down_is_passed_for_that_until_the_hold_is_over() -> None:
    choice = two()
    chosen(choice, base=DOWN)
    assert chosen(choice, base=FREE).reason == "down"


def test_a_conversation_stays_at_the_pool_that_took_it() -> None:
    choice = two()
    assert chosen(choice, demand(conversation="k")).pools[0] == "base"
    choice.reserve("cloud", demand(conversation="k"))
    assert chosen(choice, demand(conversation="k", follows=True)).reason == "sticky"


def test_nothing_is_reserved_above_a_cap() -> None:
    choice = PoolChoice([PoolPolicy("base", tokens_per_day=200)], ScriptedClock())
    for _ in range(2):
        choice.choose(demand(), {"base": FREE})
    choice.reserve("base", demand())
    with pytest.raises(Overloaded, match="cap"):
        choice.reserve("base", demand())
    assert choice.spent_today("base")[0] == 150
