"""Whatever happens to an attempt, its job is answered once, goes back, or ends with the reason."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from fakes.jobs import job
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.domain.answer import Answered, AnswerEvent, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    ContextTooLong,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    Preempted,
    RateLimited,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import ModelCard, Token, Usage
from tandem.domain.job import ANSWERS, Job, Lease, Outcome
from tandem.domain.passage import Retrieval
from tandem.domain.question import Question
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.jobs.attempt import Attempting
from tandem.pipeline.jobs.running import Runner, RunnerPolicy

FOUND = Found(Retrieval((), 0.0), "q", ModelCard("m", "m", 1), "answer@1")
END = Answered("answered", "stop", Usage(1, 2))


class Answers:
    """Fails as told, in this order, and then answers; an event is waited for between its tokens."""

    def __init__(self, *steps: Exception | asyncio.Event) -> None:
        self.steps = list(steps)
        self.asked: list[RequestContext] = []
        self.began = asyncio.Event()
        self.left = 0

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        self.asked.append(context)
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, Exception):
            raise step

        async def events() -> AsyncIterator[AnswerEvent]:
            yield FOUND
            yield Token("At ")
            self.began.set()
            if step is not None:
                await step.wait()
            yield Token("seven.")
            yield END

        try:
            yield events()
        finally:
            self.left += 1


class Counted:
    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def ended(self, status: str) -> None:
        self.told.append(("ended", status))

    def put_back(self, reason: str) -> None:
        self.told.append(("back", reason))

    def waited(self, seconds: float) -> None:
        self.told.append(("waited", seconds))


def read(body: bytes) -> Question:
    if body == b"broken":
        raise InvalidRequest("It cannot be read.")
    return Question(json.loads(body)["messages"][-1]["content"])


class Flow:
    """A queue, a runner of it, and what answers."""

    def __init__(self, answers: Any, *, concurrency: int = 2, **policy: Any) -> None:
        self.clock = ScriptedClock()
        self.jobs = ScriptedJobs(self.clock)
        self.answers = answers
        self.counted = Counted()
        ids = iter(f"{n:04}" for n in range(10_000))
        self.attempting = Attempting(
            self.jobs,
            answers,
            read,
            lambda receipt, _, __, text, ___: json.dumps([receipt, text]).encode(),
            self.clock,
            AttemptPolicy(**policy),
            self.counted,
            lambda: 0.0,
            lambda: next(ids),
        )
        self.runner = Runner(
            self.jobs,
            self.attempting,
            self.clock,
            RunnerPolicy(concurrency, lease_s=30.0, look_s=0.005, stop_look_s=0.005),
            worker="w",
        )

    async def submitted(self, number: int = 0, tenant: str = "acme", **more: Any) -> Job:
        (kept,) = await self.jobs.submit(
            [job(number, tenant, at=self.clock.epoch_s(), groups=("staff",), caller="web", **more)]
        )
        self.runner.ring()
        return kept

    async def now(self, asked: Job) -> Job:
        found = await self.jobs.job(asked.tenant, asked.id)
        assert found is not None
        return found

    async def until(self, asked: Job, *statuses: str) -> Job:
        async with asyncio.timeout(5):
            while (found := await self.now(asked)).status not in statuses:
                await asyncio.sleep(0.002)
        return found

    @asynccontextmanager
    async def runs(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.runner.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def events(self, asked: Job) -> list[str]:
        return [event.kind for event in self.jobs.written.get(asked.id, ())]


async def test_a_job_is_answered_as_its_owner_with_a_receipt() -> None:
    flow = Flow(Answers())
    async with flow.runs():
        done = await flow.until(await flow.submitted(), "succeeded")
    assert json.loads(done.result) == ["rcpt-0000", "At seven."]
    assert (done.receipt_id, done.attempts) == ("rcpt-0000", 1)
    (context,) = flow.answers.asked
    assert (context.tenant, context.user, context.groups, context.mode) == ("acme", "web", ("staff",), "async")
    assert (context.answer_id, context.request_id) == ("rcpt-0000", done.id)
    assert flow.events(done) == ["status", "token", "done"]
    assert flow.counted.told == [("waited", 0.0), ("ended", "succeeded")]


async def test_nobody_is_told_the_tokens_of_a_batchs_line() -> None:
    flow = Flow(Answers())
    async with flow.runs():
        done = await flow.until(await flow.submitted(batch_id="batch_1", custom_id="q", line=0), "succeeded")
    assert flow.events(done) == ["status", "done"]
    assert flow.answers.asked[0].mode == "batch"


async def test_no_more_run_than_there_is_room_for() -> None:
    held = asyncio.Event()
    flow = Flow(Answers(held, held, held), concurrency=2)
    async with flow.runs():
        asked = [await flow.submitted(number) for number in range(3)]
        await flow.until(asked[1], "running")
        await asyncio.sleep(0.02)
        assert [(await flow.now(each)).status for each in asked] == ["running", "running", "queued"]
        held.set()
        for each in asked:
            await flow.until(each, "succeeded")


@pytest.mark.parametrize(
    ("error", "counted", "after_s"),
    [
        (Preempted("gave way"), False, 0.25),
        (Overloaded("full", retry_after_s=30.0), False, 30.0),
        (RateLimited("quota", retry_after_s=1.0), False, 2.0),
        (UpstreamUnavailable("away"), False, 2.0),
        (UpstreamFailed("cut"), True, 2.0),
        (DeadlineExceeded("generation"), True, 2.0),
    ],
)
async def test_what_may_pass_is_tried_again_later(error: Exception, counted: bool, after_s: float) -> None:
    flow = Flow(Answers(error))
    async with flow.runs():
        asked = await flow.submitted()
        async with asyncio.timeout(5):
            while ("back", error.code) not in flow.counted.told:  # type: ignore[attr-defined]
                await asyncio.sleep(0.002)
        assert (await flow.now(asked)).attempts == (1 if counted else 0)
        flow.clock.advance(after_s - 0.1)
        await asyncio.sleep(0.03)
        assert (await flow.now(asked)).status == "queued"
        flow.clock.advance(0.2)
        await flow.until(asked, "succeeded")


async def test_a_quota_tells_when_there_is_room_however_long_a_job_has_been_tried() -> None:
    flow = Flow(Answers(RateLimited("quota", retry_after_s=7.0)))
    asked = await flow.submitted()
    flow.jobs.held[asked.id].job = replace(asked, started_at=flow.clock.epoch_s() - 4_000.0)
    async with flow.runs():
        async with asyncio.timeout(5):
            while ("back", "rate_limit_exceeded") not in flow.counted.told:
                await asyncio.sleep(0.002)
        assert flow.jobs.held[asked.id].wake_at == pytest.approx(flow.clock.epoch_s() + 7.0)


async def test_those_that_are_refused_at_once_are_not_tried_as_fast_as_the_store_can() -> None:
    flow = Flow(Answers(*[RateLimited("quota", retry_after_s=7.0)] * 40))
    flow.runner = Runner(flow.jobs, flow.attempting, flow.clock, RunnerPolicy(4, look_s=3600.0), worker="w")
    for number in range(40):
        await flow.submitted(number)
    async with flow.runs():
        async with asyncio.timeout(5):
            while len(flow.counted.told) < 8:
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.03)
        assert len(flow.answers.asked) == 4, "the others wait for the next look"


async def test_what_fails_for_good_says_why() -> None:
    flow = Flow(Answers(ContextTooLong("too long")))
    async with flow.runs():
        done = await flow.until(await flow.submitted(), "failed")
        assert done.failure is not None
        assert (done.failure.code, done.receipt_id) == ("context_length_exceeded", "rcpt-0000")
        broken = await flow.until(await flow.submitted(1, body=b"broken"), "failed")
        assert broken.failure is not None
        assert broken.failure.code == "invalid_request"


async def test_cancelling_ends_the_generation() -> None:
    held = asyncio.Event()
    flow = Flow(Answers(held))
    async with flow.runs():
        asked = await flow.submitted()
        await flow.answers.began.wait()
        await flow.jobs.cancel(asked.tenant, asked.id)
        await flow.until(asked, "cancelled")
    assert flow.answers.left == 1
    assert flow.counted.told[-1] == ("ended", "cancelled")


async def test_on_leaving_running_jobs_go_back_uncounted() -> None:
    held = asyncio.Event()
    flow = Flow(Answers(held))
    async with flow.runs():
        asked = await flow.submitted()
        await flow.answers.began.wait()
    after = await flow.now(asked)
    assert (after.status, after.attempts) == ("queued", 0)
    assert flow.answers.left == 1
    async with flow.runs():
        await flow.until(asked, "succeeded")
    assert flow.events(asked) == ["status", "retry", "status", "token", "done"]


async def test_what_was_just_begun_when_it_leaves_goes_back() -> None:
    flow = Flow(Answers())
    asked = await flow.submitted()
    (lease,) = await flow.jobs.claim("w", 1, 30.0)
    attempt = flow.attempting.attempt(lease)
    task = asyncio.create_task(attempt.run())
    attempt.stop("shutdown", task)
    await task
    after = await flow.now(asked)
    assert (after.status, after.attempts, flow.answers.asked) == ("queued", 0, [])


async def test_what_is_claimed_while_it_leaves_goes_back() -> None:
    flow = Flow(Answers())
    claim, claiming = flow.jobs.claim, asyncio.Event()

    async def slow(worker: str, most: int, lease_s: float, queues: Sequence[str] = (ANSWERS,)) -> tuple[Lease, ...]:
        claimed = await claim(worker, most, lease_s, queues)
        claiming.set()
        await asyncio.sleep(0.03)
        return claimed

    flow.jobs.claim = slow  # type: ignore[method-assign]
    asked = await flow.submitted()
    async with flow.runs():
        await claiming.wait()
    after = await flow.now(asked)
    assert (after.status, after.attempts, flow.answers.asked) == ("queued", 0, [])


async def test_whoever_lost_its_lease_changes_nothing() -> None:
    held = asyncio.Event()
    flow = Flow(Answers(held))
    async with flow.runs():
        asked = await flow.submitted()
        await flow.answers.began.wait()
        flow.clock.advance(31.0)
        (other,) = await flow.jobs.claim("other", 1, 30.0)
        assert other.job.id == asked.id
        held.set()
        await asyncio.sleep(0.03)
        assert (await flow.now(asked)).status == "running"
    assert ("ended", "succeeded") not in flow.counted.told


async def test_news_of_a_lost_lease_do_not_meet_the_next_attempt() -> None:
    held = asyncio.Event()
    flow = Flow(Answers(held, held))
    renew = flow.jobs.renew

    async def late(leases: Sequence[Lease], lease_s: float) -> frozenset[str]:
        """Told when the job is back with the same worker already."""
        if not leases:
            return frozenset()
        await flow.jobs.release(leases[0], counted=False)
        flow.runner.ring()
        while len(flow.answers.asked) < 2:
            await asyncio.sleep(0.002)
        flow.jobs.renew = renew  # type: ignore[method-assign]
        return await renew(leases, lease_s)

    flow.jobs.renew = late  # type: ignore[method-assign]
    flow.runner = Runner(
        flow.jobs, flow.attempting, flow.clock, RunnerPolicy(2, lease_s=0.03, look_s=0.005), worker="w"
    )
    async with flow.runs():
        asked = await flow.submitted()
        async with asyncio.timeout(5):
            while flow.answers.left < 1:
                await asyncio.sleep(0.002)
        held.set()
        await flow.until(asked, "succeeded", "cancelled")
    assert [told for told in flow.counted.told if told[0] == "ended"] == [("ended", "succeeded")]


async def test_a_stop_that_comes_with_the_end_changes_nothing() -> None:
    flow = Flow(Answers())
    finish, writing = flow.jobs.finish, asyncio.Event()

    async def slow(lease: Lease, outcome: Outcome) -> bool:
        writing.set()
        await asyncio.sleep(0.03)
        return await finish(lease, outcome)

    flow.jobs.finish = slow  # type: ignore[method-assign]
    async with flow.runs():
        asked = await flow.submitted()
        await writing.wait()
    assert (await flow.now(asked)).status == "succeeded"


async def test_a_job_that_kills_whoever_begins_it_is_given_up() -> None:
    flow = Flow(Answers(), most=2)
    asked = await flow.submitted()
    for _ in range(8):
        assert await flow.jobs.claim("dies", 1, 1.0)
        flow.clock.advance(2.0)
    async with flow.runs():
        done = await flow.until(asked, "failed")
    assert done.failure is not None
    assert done.failure.code == "attempts_exhausted"


async def test_a_job_that_may_have_killed_its_process_runs_alone_and_its_neighbours_go_on() -> None:
    held = asyncio.Event()
    flow = Flow(Answers(held), concurrency=4, most=2)
    suspects = [await flow.submitted(number) for number in range(2)]
    for _ in range(2):
        assert len(await flow.jobs.claim("dies", 2, 1.0)) == 2
        flow.clock.advance(2.0)
    later = [await flow.submitted(number) for number in range(10, 13)]
    most = 0

    async def watched(*arguments: Any) -> bool:
        nonlocal most
        running = [each.lease.job.attempts for _, each in flow.runner._running.values()]
        most = max([most, *(len(running) for attempts in running if attempts > 2)])
        return await finish(*arguments)

    finish = flow.jobs.finish
    flow.jobs.finish = watched  # type: ignore[method-assign, assignment]
    async with flow.runs():
        await flow.answers.began.wait()
        await asyncio.sleep(0.03)
        assert len(flow.answers.asked) == 1, "nothing is begun beside it"
        held.set()
        for each in [*suspects, *later]:
            await flow.until(each, "succeeded")
    assert most == 1
    assert {(await flow.now(each)).attempts for each in suspects} == {3}, "to be set apart is no attempt"
    assert {(await flow.now(each)).attempts for each in later} == {1}


async def test_one_that_is_to_run_alone_waits_until_the_others_have_ended() -> None:
    held = asyncio.Event()
    flow = Flow(Answers(held), concurrency=4, most=2)
    async with flow.runs():
        first = await flow.submitted(1)
        await flow.answers.began.wait()
        suspect = job(0, "other", at=flow.clock.epoch_s())
        await flow.jobs.submit([suspect])
        flow.jobs.held[suspect.id].job = replace(suspect, attempts=2)
        flow.runner.ring()
        async with asyncio.timeout(5):
            while "retry" not in flow.events(suspect):
                await asyncio.sleep(0.002)
        more = await flow.submitted(2)
        await asyncio.sleep(0.03)
        assert (await flow.now(more)).status == "queued", "the process is emptied for it"
        held.set()
        assert (await flow.until(suspect, "succeeded")).attempts == 3
        for each in (first, more):
            await flow.until(each, "succeeded")


async def test_a_store_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    flow = Flow(Answers())
    flow.jobs.fault = UpstreamUnavailable("The state store is away.")
    async with flow.runs():
        await asyncio.sleep(0.03)
        flow.jobs.fault = None
        await flow.until(await flow.submitted(), "succeeded")
    assert caplog.text.count("jobs wait for their store") == 1


async def test_told_to_end_while_the_store_is_away_it_ends() -> None:
    flow = Flow(Answers())
    claims = asyncio.Event()

    async def away(*_: object, **__: object) -> None:
        claims.set()
        await asyncio.sleep(0.02)
        raise UpstreamUnavailable("The state store is away.")

    flow.jobs.claim = away  # type: ignore[assignment]
    task = asyncio.create_task(flow.runner.run())
    await claims.wait()
    task.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait([task])
    assert task.cancelled()


async def test_an_end_that_the_store_misses_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.pipeline.jobs.attempt._TELL_AGAIN_S", (0.001, 0.001))
    flow = Flow(Answers())
    finish, fails = flow.jobs.finish, [UpstreamUnavailable("away"), UpstreamUnavailable("away")]

    async def sometimes(*arguments: Any) -> bool:
        if fails:
            raise fails.pop()
        return await finish(*arguments)

    flow.jobs.finish = sometimes  # type: ignore[method-assign, assignment]
    async with flow.runs():
        done = await flow.until(await flow.submitted(), "succeeded")
    assert (done.attempts, len(flow.answers.asked)) == (1, 1)


async def test_on_the_way_out_nothing_new_is_begun() -> None:
    flow = Flow(Answers())
    flow.runner._welcome = lambda: False
    async with flow.runs():
        asked = await flow.submitted()
        await asyncio.sleep(0.03)
        assert (await flow.now(asked)).status == "queued"


def test_pauses_grow_with_what_is_counted_and_with_time() -> None:
    policy = AttemptPolicy()
    assert [policy.pause_s(attempts, 0.0, 0.0) for attempts in (0, 1, 2, 3, 9)] == [2.0, 2.0, 8.0, 32.0, 120.0]
    assert policy.pause_s(0, 200.0, 0.0) == 50.0
    assert policy.pause_s(0, 9_000.0, 1.0) == 150.0
