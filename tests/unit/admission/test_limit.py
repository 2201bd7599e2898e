import statistics

import pytest

from fakes.impatient_pool import Impatient
from fakes.simulated_pool import Outcome, Served, Simulation
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.admission.limit import AdaptiveLimit


def steady(slots: int, first_s: float = 0.1, rest_s: float = 0.9, **more: object) -> Served:
    return Served(lambda _: slots, lambda _: first_s, rest_s, **more)  # type: ignore[arg-type]


def run(
    served: Served, *, rate: float, duration_s: float, warm_up_s: float = 0.0, initial: int = 16, seed: int = 1
) -> Outcome:
    clock = ScriptedClock()
    limit = AdaptiveLimit(initial=initial, least=1, most=512, clock=clock)
    simulation = Simulation(served, limit, clock, rate=lambda _: rate, patience_s=1.0, good_s=1.0, seed=seed)
    return simulation.run(duration_s, warm_up_s=warm_up_s)


def usual(outcome: Outcome, from_s: float) -> float:
    """The median limit from that second on, by time."""
    times = [at_s for at_s, _ in outcome.limits] + [outcome.limits[-1][0] + 1]
    samples: list[int] = []
    for (at_s, value), until_s in zip(outcome.limits, times[1:], strict=True):
        if until_s > from_s:
            samples += [value] * max(1, int(10 * (until_s - max(at_s, from_s))))
    return statistics.median(samples)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("slots", [8, 16, 64])
def test_it_finds_the_slots_and_keeps_them_busy(slots: int, seed: int) -> None:
    outcome = run(steady(slots), rate=4.0 * slots, duration_s=120, warm_up_s=60, seed=seed)
    assert outcome.done >= 0.9 * 60 * slots
    assert 0.85 * slots <= usual(outcome, 60) <= 1.4 * slots
    # What waits does so in front of the pool, where it is shared fairly, not inside.
    assert statistics.median(outcome.waits_s) < 0.15


@pytest.mark.parametrize("seed", [1, 2])
def test_a_pool_that_says_429_is_asked_little_too_much(seed: int) -> None:
    outcome = run(steady(24, sheds=True), rate=100, duration_s=300, warm_up_s=100, seed=seed)
    assert outcome.done >= 0.9 * 200 * 24
    assert outcome.shed < 0.04 * outcome.asked


@pytest.mark.parametrize("seed", [1, 2])
def test_lost_capacity_is_noticed_and_gained_capacity_used(seed: int) -> None:
    served = Served(lambda now_s: 12 if 100 <= now_s < 200 else 64, lambda _: 0.1, 0.9)
    outcome = run(served, rate=250, duration_s=400, seed=seed)
    lost = [value for at_s, value in outcome.limits if 130 <= at_s < 200]
    assert 9 <= statistics.median(lost) <= 20
    regained = [value for at_s, value in outcome.limits if at_s >= 350]
    assert statistics.median(regained) >= 50


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("leave_s", [0.4, 1.0])
def test_capacity_is_found_again_although_all_whose_first_token_takes_long_leave(leave_s: float, seed: int) -> None:
    clock = ScriptedClock()
    limit = AdaptiveLimit(initial=64, least=1, most=512, clock=clock)
    served = Served(lambda now_s: 64 if now_s < 60 else 8, lambda _: 0.1, 0.9)
    crowd = Impatient(served, limit, clock, rate=lambda _: 250, leave_s=leave_s, seed=seed)
    outcome = crowd.run(160, warm_up_s=70)
    assert outcome.done >= 0.8 * 90 * 8


def test_leaving_soon_says_nothing_of_the_pool() -> None:
    clock = ScriptedClock()
    limit = AdaptiveLimit(initial=16, least=1, most=64, clock=clock)
    for _ in range(400):
        limit.lost(limit.asked(), 0.5)
    assert limit.value == 16


def test_a_pool_that_never_speaks_is_asked_one_at_a_time() -> None:
    clock = ScriptedClock()
    limit = AdaptiveLimit(initial=16, least=1, most=64, clock=clock)
    for _ in range(400):
        limit.lost(limit.asked(), 30.0)
    assert limit.value == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_longer_prompts_are_not_taken_for_load(seed: int) -> None:
    served = Served(lambda _: 32, lambda now_s: 0.05 if now_s < 100 else 0.25, 0.9)
    outcome = run(served, rate=130, duration_s=500, warm_up_s=250, seed=seed)
    assert outcome.done >= 0.88 * 250 * 32 / 1.15


def test_a_token_a_second_is_enough_to_steer_by() -> None:
    served = steady(4, first_s=3.0, rest_s=40.0)
    outcome = run(served, rate=0.4, duration_s=7200, warm_up_s=3600)
    assert 3 <= usual(outcome, 3600) <= 6


def test_a_model_of_milliseconds_is_not_strangled_by_jitter() -> None:
    served = steady(8, first_s=0.003, rest_s=0.006, spread=0.8)
    outcome = run(served, rate=3000, duration_s=20, warm_up_s=5)
    assert outcome.done >= 0.9 * 15 * 8 / 0.009


def test_it_does_not_drift_away_under_load_that_never_ends() -> None:
    outcome = run(steady(16, first_s=0.02, rest_s=0.08), rate=640, duration_s=400, warm_up_s=350)
    assert usual(outcome, 350) <= 24


def test_a_limit_that_is_not_reached_does_not_grow() -> None:
    outcome = run(steady(64), rate=5, duration_s=200)
    assert max(value for _, value in outcome.limits) <= 25


def test_one_number_is_a_fixed_limit() -> None:
    clock = ScriptedClock()
    limit = AdaptiveLimit(initial=5, least=5, most=5, clock=clock)
    for n in range(100):
        limit.running(5)
        ticket = limit.asked()
        limit.first_token(ticket, 0.1 if n < 50 else 9.0)
        limit.pushed_back(limit.asked())
    assert limit.value == 5


def test_bounds_hold() -> None:
    clock = ScriptedClock()
    limit = AdaptiveLimit(initial=4, least=2, most=6, clock=clock)
    for _ in range(500):
        limit.running(limit.value)
        clock.advance(0.1)
        limit.first_token(limit.asked(), 0.1)
        assert 2 <= limit.value <= 6
    assert limit.value >= 3
    for _ in range(50):
        limit.pushed_back(limit.asked())
    assert limit.value == 2


def test_a_429_of_a_request_asked_before_the_last_change_cuts_no_further() -> None:
    limit = AdaptiveLimit(initial=100, least=1, most=200, clock=ScriptedClock())
    tickets = [limit.asked() for _ in range(60)]
    for ticket in tickets:
        limit.pushed_back(ticket)
    assert limit.value == 90


def test_requests_without_a_first_token_do_not_hold_a_window_up() -> None:
    clock = ScriptedClock()
    limit = AdaptiveLimit(initial=4, least=1, most=64, clock=clock)
    for n in range(400):
        limit.running(limit.value)
        clock.advance(0.1)
        ticket = limit.asked()
        if n % 2:
            limit.lost(ticket)
        else:
            limit.first_token(ticket, 0.1)
    assert limit.value > 4
