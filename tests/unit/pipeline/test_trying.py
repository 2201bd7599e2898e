"""What is tried again and where, what breakers and limits hear of it, and that nothing stays behind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from fakes.pools import AWAY, CLOCK, Meter, Server, dispatch, idle, pool, told
from tandem.adapters.scripted.generator import ScriptedGenerator
from tandem.admission.turnstile import Slot
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    TandemError,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import GenerationEvent, Prompt
from tandem.domain.question import Sampling
from tandem.generation.breaker import Breaker, BreakerState
from tandem.generation.endpoints import Endpoint, Endpoints
from tandem.pipeline.pool import Pool


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
    assert [(tenant, usage.completion_tokens) for tenant, usage in meter.bills] == [("acme", 2)]
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


async def test_back_pressure_opens_no_breaker() -> None:
    server = Server(*[Overloaded("full", retry_after_s=30)] * 20)
    one = pool("base", server, breaker_failures=1)
    to = dispatch(one)
    for _ in range(3):
        with pytest.raises(Overloaded):
            await told(to)
    assert one.endpoints.up


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
    monkeypatch.setattr("tandem.admission.slot._UNKNOWN_SILENCE_S", 0.02)
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
