"""Replicas over the day, by the chart's rules."""

import numpy as np
import pytest

from tandem.platform.plan.engines import ServiceTimes
from tandem.platform.plan.scaling import Rule, gateways_by_minute, replicas_by_minute, sleeping
from tandem.platform.plan.traffic import Traffic, load_traffic

TIMES = ServiceTimes(2000.0, 0.02, 0.001, 0.02, slots=24)


def day(rps: float, shape: str = "business") -> Traffic:
    return load_traffic(None, {"requests_per_second": rps}, day=shape)


def test_a_flat_day_keeps_its_replicas() -> None:
    ready, paid = replicas_by_minute(day(10, "flat"), TIMES, Rule(8, 1, 50, 240))
    assert len(set(ready)) == 1 and (ready == paid).all()


def test_replicas_follow_the_load_between_their_bounds() -> None:
    ready, paid = replicas_by_minute(day(10), TIMES, Rule(8, 1, 12, 240))
    assert ready.min() == 1 and ready.max() == 12 and (paid >= ready).all()
    assert ready[3 * 60] < ready[10 * 60]


def test_one_goes_a_minute_and_those_that_come_take_their_time_to_start() -> None:
    slow, _ = replicas_by_minute(day(10), TIMES, Rule(8, 1, 50, 1200))
    quick, _ = replicas_by_minute(day(10), TIMES, Rule(8, 1, 50, 30))
    assert np.diff(quick).min() >= -1
    assert slow[7 * 60 : 9 * 60].mean() < quick[7 * 60 : 9 * 60].mean()


def test_of_a_large_fleet_a_share_goes_a_minute() -> None:
    ready, _ = replicas_by_minute(day(500), TIMES, Rule(8, 1, 1000, 240))
    most = ready.max()
    assert most > 200 and -0.05 * most - 1 <= np.diff(ready).min() < -5


def test_a_higher_threshold_never_takes_more_replicas() -> None:
    means = [replicas_by_minute(day(10), TIMES, Rule(demand, 1, 100, 240))[1].mean() for demand in (4, 8, 16)]
    assert means == sorted(means, reverse=True)


def test_gateways_follow_the_request_rate() -> None:
    pods = gateways_by_minute(day(100), 2)
    assert pods.min() == 2 and pods.max() == 5


def test_a_pool_that_is_hardly_asked_sleeps_and_makes_those_wait_who_wake_it() -> None:
    rare, busy = (sleeping(day(rps, "flat"), 240) for rps in (1 / 7200, 0.1))
    assert rare.paid.max() < 0.3 and rare.delayed.min() > 0.8
    assert busy.paid.min() == pytest.approx(1.0, abs=1e-6) and busy.delayed.max() < 1e-6
