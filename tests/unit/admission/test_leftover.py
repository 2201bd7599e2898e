import random

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.admission.leftover import Leftover
from tandem.admission.limit import AdaptiveLimit

USUAL_S = 0.1


def limit(slots: int = 20) -> AdaptiveLimit:
    """One that knows what a first token takes."""
    made = AdaptiveLimit(initial=slots, least=1, most=64, clock=ScriptedClock())
    for _ in range(200):
        made.first_token(made.asked(), USUAL_S)
    assert made.baseline_s == USUAL_S
    return made


def windows(
    leftover: Leftover, *takes_s: float, running: int | None = None, from_s: float = 0.0, beside: bool = True
) -> float:
    """Whole ones, each asked when the one before was over; when the last one was."""
    now_s = from_s
    for each_s in takes_s:
        for _ in range(40):
            leftover.running(leftover.value if running is None else running)
            leftover.first_token(now_s, now_s + each_s, beside=beside)
        now_s += 1.0
    return now_s


def test_it_falls_long_before_the_limit_does_and_rests_before_it_tries_more() -> None:
    leftover = Leftover(limit())
    assert leftover.value == 20
    over_s = windows(leftover, USUAL_S, 1.3 * USUAL_S)
    assert leftover.value == 17
    over_s = windows(leftover, *[USUAL_S] * 8, from_s=over_s)
    assert leftover.value == 17
    over_s = windows(leftover, USUAL_S, USUAL_S, from_s=over_s)
    assert leftover.value == 19
    windows(leftover, *[USUAL_S] * 9, from_s=over_s)
    assert leftover.value == 20, "no more than the limit"


def test_it_does_not_grow_while_it_is_not_reached() -> None:
    leftover = Leftover(limit())
    over_s = windows(leftover, 1.3 * USUAL_S)
    windows(leftover, *[USUAL_S] * 30, running=3, from_s=over_s)
    assert leftover.value == 17


def test_it_learns_from_others_alone_but_does_not_fall_for_them() -> None:
    leftover = Leftover(limit())
    over_s = windows(leftover, 1.3 * USUAL_S)
    over_s = windows(leftover, *[3 * USUAL_S] * 5, running=20, from_s=over_s, beside=False)
    assert leftover.value == 17
    windows(leftover, *[USUAL_S] * 12, running=20, from_s=over_s, beside=False)
    assert leftover.value == 20


def test_one_always_has_room() -> None:
    leftover = Leftover(limit())
    windows(leftover, *[10 * USUAL_S] * 40)
    assert leftover.value == 1


def test_chance_is_not_taken_for_a_queue() -> None:
    leftover, chance = Leftover(limit()), random.Random(2)
    for turn in range(40 * 200):
        leftover.running(leftover.value)
        leftover.first_token(turn, turn + USUAL_S * chance.lognormvariate(0, 1), beside=True)
    assert leftover.value >= 17


def test_what_was_asked_before_it_fell_or_began_tells_nothing() -> None:
    leftover = Leftover(limit())
    over_s = windows(leftover, 1.3 * USUAL_S)
    for _ in range(400):
        leftover.first_token(over_s - 2, over_s, beside=True)
    assert leftover.value == 17
    leftover.begin(over_s + 100)
    windows(leftover, *[1.3 * USUAL_S] * 3, from_s=over_s)
    assert leftover.value == 17


def test_a_fixed_limit_is_known() -> None:
    fixed = AdaptiveLimit(initial=8, least=8, most=8, clock=ScriptedClock())
    leftover = Leftover(fixed)
    windows(leftover, *[1000.0] * 5)
    assert leftover.value == 8
