"""A breaker: closed, open after failures in a row, half open for one try at a time."""

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.generation.breaker import Breaker, BreakerState


def opened(clock: ScriptedClock) -> Breaker:
    breaker = Breaker(failures=3, open_s=5.0, clock=clock)
    for _ in range(3):
        breaker.enter().failed()
    return breaker


def test_failures_in_a_row_open_it_and_a_whole_answer_between_does_not() -> None:
    breaker = Breaker(failures=3, open_s=5.0, clock=ScriptedClock())
    for verdict in ("failed", "failed", "succeeded", "failed", "failed"):
        getattr(breaker.enter(), verdict)()
    assert breaker.admits
    breaker.enter().failed()
    assert breaker.state is BreakerState.open
    assert breaker.opens_in_s == 5.0


def test_a_first_token_does_not_end_a_row_of_failures() -> None:
    breaker = Breaker(failures=2, open_s=5.0, clock=ScriptedClock())
    for _ in range(2):
        attempt = breaker.enter()
        attempt.spoke()
        attempt.failed()
        attempt.ended()
    assert breaker.state is BreakerState.open


def test_one_request_at_a_time_tries_a_half_open_one() -> None:
    clock = ScriptedClock()
    breaker = opened(clock)
    clock.advance(5.0)
    assert breaker.state is BreakerState.half_open
    assert breaker.admits
    trial = breaker.enter()
    assert not breaker.admits
    trial.ended()
    assert breaker.admits, "a try without a verdict leaves the place to the next"
    trial = breaker.enter()
    trial.spoke()
    assert breaker.state is BreakerState.closed


def test_each_failed_try_doubles_the_pause_up_to_twelve_times() -> None:
    clock = ScriptedClock()
    breaker = opened(clock)
    pauses = []
    for _ in range(6):
        pauses.append(breaker.opens_in_s)
        clock.advance(breaker.opens_in_s)
        breaker.enter().failed()
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    clock.advance(60.0)
    breaker.enter().succeeded()
    for _ in range(3):
        breaker.enter().failed()
    assert breaker.opens_in_s == 5.0


def test_what_began_before_it_opened_is_no_news() -> None:
    clock = ScriptedClock()
    breaker = Breaker(failures=3, open_s=5.0, clock=clock)
    early = [breaker.enter() for _ in range(5)]
    for attempt in early[:3]:
        attempt.failed()
    clock.advance(5.0)
    trial = breaker.enter()
    early[3].failed()
    early[4].ended()
    assert not breaker.admits, "the trial is still running"
    trial.succeeded()
    assert breaker.state is BreakerState.closed


def test_silence_counts_while_nobody_else_is_told_anything() -> None:
    clock = ScriptedClock()
    breaker = Breaker(failures=2, open_s=5.0, clock=clock)
    for _ in range(3):
        asked, other = breaker.enter(), breaker.enter()
        clock.advance(1.0)
        other.spoke()
        asked.silent()
    assert breaker.admits, "it was busy with others"
    for _ in range(2):
        asked = breaker.enter()
        clock.advance(1.0)
        asked.silent()
    assert breaker.state is BreakerState.open
