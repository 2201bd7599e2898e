"""Windows: nobody is lost, laws of queues hold, more machines are never worse, and small stands for large."""

from typing import Any

import numpy as np
import pytest

from tandem.generation.pools import PoolPolicy
from tandem.platform.plan.arrivals import Arrivals
from tandem.platform.plan.engines import ServiceTimes
from tandem.platform.plan.figures import percentile
from tandem.platform.plan.prices import load_book
from tandem.platform.plan.servers import Place
from tandem.platform.plan.simulate import Outcome, Window, simulate
from tandem.platform.plan.traffic import Traffic
from tandem.platform.plan.windows import Deployment, scaled

TIMES = ServiceTimes(20_000.0, 0.01, 0.0005, 0.01, slots=8)
# Of one replica of that: prompts of 400 tokens, answers of 50.
MOST = TIMES.most(400, 50)


def traffic(**more: Any) -> Traffic:
    return Traffic.model_validate(
        {"requests_per_second": [1.0] * 24, "prompt_tokens": 400, "answer_tokens": 50, **more}
    )


def window(load: float, replicas: int, *, gateways: int = 2, requests: int = 900, **more: Any) -> Window:
    most = more.pop("most", 512)
    place = Place(PoolPolicy("gpu"), max(1, 8 * replicas // gateways), most, replicas, more.pop("times", TIMES))
    return Window(traffic(), load * MOST * replicas, gateways, (place,), requests=requests, **more)


def whole(outcome: Outcome) -> int:
    return outcome.answered + outcome.refused + outcome.late + outcome.forbidden + outcome.failed


@pytest.mark.parametrize("sheds", [False, True])
@pytest.mark.parametrize("load", [0.3, 0.9, 4.0])
def test_every_request_is_answered_refused_late_or_failed(load: float, *, sheds: bool) -> None:
    times = ServiceTimes(20_000.0, 0.01, 0.0005, 0.01, slots=8, sheds=sheds)
    outcome = simulate(window(load, 2, times=times))
    assert outcome.asked == whole(outcome) > 500
    assert outcome.refused_share < 0.01 if load < 0.5 else True
    assert outcome.refused_share > 0.5 if load > 1 else True


def test_the_same_window_gives_the_same_outcome_and_another_seed_another() -> None:
    one, again, other = (simulate(window(0.5, 2, requests=300, seed=seed)) for seed in (1, 1, 2))
    assert one.whole_s == again.whole_s != other.whole_s


def test_arrivals_that_were_measured_are_asked_as_they_were() -> None:
    """The second comes while the first is read, and waits for it."""
    place = Place(PoolPolicy("gpu"), 8, 8, 1, ServiceTimes(1000.0, 0.01, 0.0, 0.0, slots=8))
    arrivals = Arrivals(
        np.array([0.5, 0.6, 9.0]), np.array([400.0, 100, 200]), np.array([11.0, 1, 21]), ["default"] * 3, np.zeros(3), np.zeros(3)
    )  # fmt: skip
    outcome = simulate(Window(traffic(gateway={"cpu_s": 0, "latency_s": 0}), 1.0, 1, (place,)), arrivals)
    assert outcome.asked == outcome.answered == 3 and (outcome.duration_s, outcome.ended_s) == pytest.approx((9.0, 9.4))
    # The first one's second token came with the prompt of the second.
    assert outcome.whole_s == pytest.approx([0.4, 0.4 + 0.1 + 9 * 0.01, 0.2 + 20 * 0.01], abs=1e-3)


def test_as_many_are_there_as_come_in_the_time_they_stay() -> None:
    outcome = simulate(window(0.6, 2, requests=3000))
    rate = outcome.asked / outcome.duration_s
    assert outcome.demand == pytest.approx(rate * np.mean(outcome.whole_s), rel=0.08)


def test_gpus_are_used_as_much_as_is_asked_of_them() -> None:
    low, high = (simulate(window(load, 2, requests=1500)) for load in (0.2, 0.6))
    assert 0 < low.used < high.used <= 1 and low.used <= low.busy <= 1
    # Three times as much is asked, so three times as much is done.
    assert high.used / low.used == pytest.approx(3, rel=0.1)


def test_more_gpus_never_make_it_later_nor_refuse_more() -> None:
    rate = 2.2 * MOST
    found = []
    for replicas in (2, 3, 4, 6):
        place = Place(PoolPolicy("gpu"), 8 * replicas, 512, replicas, TIMES)
        found.append(simulate(Window(traffic(), rate, 1, (place,), requests=1500)))
    # Whoever is refused waits for ever: among those who are answered a refusal makes others quick.
    p99s = [percentile(outcome.first_s, 0.99) if outcome.refused_share <= 0.01 else np.inf for outcome in found]
    assert p99s[0] == np.inf > p99s[-1]
    assert p99s == sorted(p99s, reverse=True)
    refused = [outcome.refused_share for outcome in found]
    assert refused == sorted(refused, reverse=True)


def test_a_small_deployment_stands_for_a_large_one_with_the_same_load() -> None:
    place = Place(PoolPolicy("gpu"), 64, 512, 32, TIMES)
    large = Deployment(4, (place,))
    rate, small = scaled(0.4 * MOST * 32, large)
    assert small.replicas == 8 and rate == pytest.approx(0.4 * MOST * 8)
    # The same time of both.
    full = simulate(Window(traffic(), 0.4 * MOST * 32, 4, large.places, requests=6000))
    few = simulate(Window(traffic(), rate, small.gateways, small.places, requests=1500))
    for share, tolerance in ((0.5, 0.06), (0.99, 0.2)):
        assert percentile(few.whole_s, share) == pytest.approx(percentile(full.whole_s, share), rel=tolerance)
    assert few.used == pytest.approx(full.used, rel=0.06)


def _hybrid(load: float, **more: Any) -> Outcome:
    near = Place(PoolPolicy("onprem", region="eu", spill_wait_s=0.2, return_wait_s=0.05, hold_s=1), 8, 8, 1, TIMES)
    far = Place(PoolPolicy("cloud", region="us"), 64, api=load_book().api)
    return simulate(Window(traffic(**more), load * MOST, 1, (near, far), requests=900))


def test_what_does_not_fit_goes_to_the_next_pool() -> None:
    light, heavy = _hybrid(0.2), _hybrid(3.0)
    assert light.at["cloud"] <= 0.01 * light.answered
    assert 0.4 < heavy.at["cloud"] / heavy.answered < 0.9 and heavy.refused_share < 0.02


def test_whose_data_may_not_leave_is_never_answered_elsewhere() -> None:
    tenants = {"acme": {"share": 1.0, "regions": ["eu"]}}
    outcome = _hybrid(3.0, tenants=tenants)
    assert outcome.at["cloud"] == 0 and outcome.refused_share > 0.3 and outcome.forbidden == 0
    nowhere = _hybrid(0.2, tenants={"acme": {"share": 0.5, "regions": ["mars"]}})
    assert nowhere.forbidden == pytest.approx(0.5 * nowhere.asked, rel=0.2)
    assert nowhere.asked == whole(nowhere)


def test_a_model_beside_the_gateway_waits_for_its_business_logic() -> None:
    place = Place(PoolPolicy("gpu"), 8, 512, 2, TIMES)
    found = [
        simulate(
            Window(
                traffic(gateway={"cpu_s": 0.05, "latency_s": 0.0, "blocking": blocking}),
                0.4 * MOST * 2,
                2,
                (place,),
                together=True,
                requests=900,
            )
        )
        for blocking in (0.0, 1.0)
    ]
    assert np.mean(found[1].whole_s) > 1.05 * np.mean(found[0].whole_s)
