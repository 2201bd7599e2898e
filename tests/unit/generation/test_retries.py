"""The retry budget: never more than its share of the requests, plus what it began with."""

from hypothesis import given
from hypothesis import strategies as st

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.generation.retries import RetryBudget, pause_s


@given(st.lists(st.booleans(), max_size=400), st.sampled_from([0.0, 0.05, 0.1, 0.5]))
def test_retries_stay_within_the_share(wishes: list[bool], share: float) -> None:
    budget = RetryBudget(share, ScriptedClock())
    retries = requests = 0
    for wish in wishes:
        if wish:
            retries += budget.spend()
        else:
            budget.earn()
            requests += 1
        assert retries <= share * requests + (1 if share else 0) + 1e-6


def test_a_lone_request_may_have_a_second_try_and_ten_requests_earn_one() -> None:
    budget = RetryBudget(0.1, ScriptedClock())
    assert budget.spend()
    assert not budget.spend()
    for _ in range(10):
        budget.earn()
    assert budget.spend()
    assert not budget.spend()


def test_time_earns_a_few() -> None:
    clock = ScriptedClock()
    budget = RetryBudget(0.1, clock)
    assert budget.spend()
    clock.advance(9.9)
    assert not budget.spend()
    clock.advance(0.2)
    assert budget.spend()
    clock.advance(3600)
    assert sum(budget.spend() for _ in range(100)) == 10


def test_at_most_ten_are_saved() -> None:
    budget = RetryBudget(1.0, ScriptedClock())
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10


def test_no_share_means_no_retry() -> None:
    assert not RetryBudget(0.0, ScriptedClock()).spend()


def test_the_pause_doubles_is_jittered_and_bounded() -> None:
    assert [pause_s(n, base_s=0.05, random=lambda: 1.0) for n in (1, 2, 3)] == [0.05, 0.1, 0.2]
    assert pause_s(30, base_s=0.05, random=lambda: 1.0) == 2.0
    assert pause_s(5, base_s=0.05, random=lambda: 0.0) == 0.0
