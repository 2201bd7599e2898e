"""A bucket per minute never gives more than a window and what refilled, and never less than it should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.admission.bucket import WINDOW_S, Bucket

LIMITS = st.integers(1, 10_000)
# Pauses and amounts of a sequence of requests.
STEPS = st.lists(st.tuples(st.floats(0, 90), st.integers(1, 400)), min_size=1, max_size=60)


@given(LIMITS, STEPS)
def test_in_any_span_at_most_a_window_and_what_refilled_passes(limit: int, steps: list[tuple[float, int]]) -> None:
    bucket, now_s = Bucket(limit), 0.0
    passed: list[tuple[float, int]] = []
    for pause_s, asked in steps:
        amount = min(asked, limit)
        now_s += pause_s
        bucket = bucket.at(now_s)
        if bucket.wait_s(amount) == 0:
            bucket = bucket.take(amount)
            passed.append((now_s, amount))
        assert 0 <= bucket.used <= limit
    for place, (from_s, _) in enumerate(passed):
        total = 0
        for at_s, amount in passed[place:]:
            total += amount
            assert total <= limit + limit * (at_s - from_s) / WINDOW_S + 0.001


@given(LIMITS, st.integers(1, 10_000), STEPS)
def test_who_waits_as_told_passes_and_a_bit_earlier_does_not(
    limit: int, asked: int, steps: list[tuple[float, int]]
) -> None:
    bucket, now_s = Bucket(limit), 0.0
    for pause_s, taken in steps:
        now_s += pause_s
        bucket = bucket.at(now_s).take(min(taken, limit))
    amount = min(asked, limit)
    wait_s = bucket.wait_s(amount)
    assert bucket.at(now_s + wait_s).wait_s(amount) == 0
    if wait_s > 0.01:
        assert bucket.at(now_s + wait_s * 0.99).wait_s(amount) > 0


@given(
    LIMITS,
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5000), st.integers(0, 6000)), min_size=1, max_size=40),
)
def test_settling_gives_back_at_most_what_was_reserved_and_goes_below_nothing(
    limit: int, requests: list[tuple[float, int, int]]
) -> None:
    bucket, now_s = Bucket(limit), 0.0
    used_in_all, taken_in_all = 0, 0
    for pause_s, asked, used in requests:
        now_s += pause_s
        bucket, reserved = bucket.at(now_s), min(asked, limit)
        if bucket.wait_s(reserved) > 0:
            continue
        before = bucket.used
        bucket = bucket.take(reserved)
        back = reserved - used
        bucket = bucket.give(back) if back >= 0 else bucket.take(-back)
        assert 0 <= bucket.used <= limit
        # What stays taken is what was used, as far as the window held it: a refund is never more than the reservation.
        assert bucket.used == pytest.approx(min(before + used, limit), abs=0.001)
        assert bucket.used >= before - 0.001
        taken_in_all += reserved
        used_in_all += used
        assert 0 <= bucket.level().remaining <= limit
        assert 0 <= bucket.level().reset_s <= WINDOW_S + 0.001


@given(LIMITS, st.integers(0, 20_000))
def test_giving_back_never_makes_more_than_a_window(limit: int, amount: int) -> None:
    assert Bucket(limit).take(limit // 2).give(amount + limit).level().remaining == limit


def test_a_clock_that_goes_back_holds_nothing_up() -> None:
    empty = Bucket(60).at(1000).take(60)
    back = empty.at(10)
    assert back.wait_s(1) == pytest.approx(1)
    assert back.at(11).wait_s(1) == 0


def test_a_smaller_limit_counts_at_once() -> None:
    assert Bucket(1000).take(500).limited(100).level().remaining == 0
    assert Bucket(100).take(100).limited(1000).level().remaining == 900
