"""Answers go out in the order of their questions, each with its offset, whatever happens to the attempts and the stream."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.question_stream import ScriptedQuestions
from tandem.domain.answer import Answered, AnswerEvent, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    ContextTooLong,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    Preempted,
    TandemError,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import ModelCard, Token, Usage
from tandem.domain.passage import Retrieval
from tandem.domain.question import Question
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.streams.attempt import Asker, Attempting
from tandem.pipeline.streams.running import AnsweredStream

FOUND = Found(Retrieval((), 0.0), "q", ModelCard("m", "m", 1), "answer@1")
END = Answered("answered", "stop", Usage(1, 2))


class Answers:
    """Says a question again. What stands in `steps` under its text happens first: faults are raised, events waited for."""

    def __init__(self) -> None:
        self.steps: dict[str, list[Exception | asyncio.Event]] = {}
        self.asked: list[str] = []
        self.contexts: list[RequestContext] = []
        self.running = self.most = 0

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        self.asked.append(question.text)
        self.contexts.append(context)
        self.running += 1
        self.most = max(self.most, self.running)
        steps = self.steps.get(question.text, [])
        step = steps.pop(0) if steps else None

        async def events() -> AsyncIterator[AnswerEvent]:
            if isinstance(step, Exception):
                raise step
            yield FOUND
            await asyncio.sleep(0)
            if step is not None:
                await step.wait()
            yield Token(question.text)
            yield END

        try:
            yield events()
        finally:
            self.running -= 1


class Counted:
    def __init__(self) -> None:
        self.ends: list[str] = []
        self.back: list[str] = []
        self.up: list[bool] = []
        self.taken = self.behind = 0

    def ended(self, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.ends.append(outcome)

    def put_back(self, reason: str) -> None:
        self.back.append(reason)

    def look(self, taken: int, behind: int) -> None:
        self.taken, self.behind = taken, behind

    def opened(self, *, up: bool) -> None:
        self.up.append(up)


def read(body: bytes | None) -> Question:
    if body is None or body.startswith(b"broken"):
        raise InvalidRequest("It cannot be read.")
    return Question(body.decode())


class Flow:
    """A stream, whoever answers it, and how long was paused. Pauses take no time, unless they are held."""

    def __init__(self, partitions: int = 1, concurrency: int = 2, **policy: Any) -> None:
        self.stream = ScriptedQuestions(partitions)
        self.answers, self.counted, self.clock = Answers(), Counted(), ScriptedClock()
        self.pauses: list[float] = []
        self.pause_held: asyncio.Event | None = None
        self.welcome = True
        self.concurrency = concurrency
        self.policy = AttemptPolicy(**policy)

    def one(self) -> AnsweredStream:
        ids = iter(f"{n:04}" for n in range(10_000))
        attempting = Attempting(
            self.answers,
            read,
            lambda receipt, _, __, text, ___: json.dumps([receipt, text]).encode(),
            lambda error: json.dumps({"error": error.code}).encode(),
            Asker("mail", "acme", ("staff",)),
            self.clock,
            self.policy,
            self.counted,
            lambda: 0.0,
            lambda: next(ids),
            self.pause,
        )
        return AnsweredStream(self.stream, attempting, concurrency=self.concurrency, welcome=lambda: self.welcome)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)
        await (self.pause_held.wait() if self.pause_held else asyncio.sleep(0))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.one().run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()

    @property
    def told(self) -> list[str]:
        """Texts of answers, codes of errors."""
        found = [json.loads(reply.body) for reply in self.stream.told]
        return [each["error"] if isinstance(each, dict) else each[1] for each in found]

    async def until(self, there: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not there():
                await asyncio.sleep(0.001)

    async def until_told(self, number: int) -> list[str]:
        await self.until(lambda: len(self.told) >= number)
        return self.told


async def test_an_answer_that_is_early_waits_for_those_before_it() -> None:
    flow = Flow(concurrency=3)
    slow = asyncio.Event()
    flow.answers.steps["a"] = [slow]
    flow.stream.ask(b"a", b"b", b"c", b"d")
    async with flow.running():
        await flow.until(lambda: flow.answers.asked[-1:] == ["d"] and flow.answers.running == 1)
        assert (flow.told, flow.stream.done) == ([], {0: 0})
        slow.set()
        assert await flow.until_told(4) == ["a", "b", "c", "d"]
        assert flow.stream.done == {0: 4}
    assert flow.counted.ends == ["answered"] * 4
    assert flow.answers.most == 3


async def test_a_partition_waits_for_no_other() -> None:
    flow = Flow(partitions=2)
    flow.answers.steps["a"] = [asyncio.Event()]
    flow.stream.ask(b"a", b"b", partition=0)
    flow.stream.ask(b"c", b"d", partition=1)
    async with flow.running():
        assert await flow.until_told(2) == ["c", "d"]
        assert flow.stream.done == {0: 0, 1: 2}


async def test_behind_a_slow_one_only_so_many_are_taken() -> None:
    flow = Flow()
    flow.answers.steps["a"] = [asyncio.Event()]
    flow.stream.ask(b"a", *(b"%d" % n for n in range(200)))
    async with flow.running():
        await flow.until(lambda: flow.counted.taken >= 16)
        await asyncio.sleep(0.05)
        assert flow.counted.taken == len(flow.answers.asked) == 16
        assert flow.counted.behind == 201


async def test_who_asks_and_in_which_trace_is_told() -> None:
    flow = Flow()
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    flow.stream.ask(
        b"a", headers=(("traceparent", trace), ("tracestate", b"x=1"), ("id", b"7"), ("tandem-error", b"no"))
    )
    flow.stream.ask(b"b", headers=(("traceparent", b"nonsense"),))
    async with flow.running():
        await flow.until_told(2)
    first, second = flow.answers.contexts
    assert (first.tenant, first.groups, first.user, first.mode) == ("acme", ("staff",), "stream:mail", "stream")
    assert first.request_id == "mail-0-0"
    assert first.deadline_s is not None
    assert first.span is not None
    assert second.span is not None
    assert (first.span.trace_id, first.span.parent_id) == (trace.decode()[3:35], trace.decode()[36:52])
    assert (second.span.parent_id, second.span.sampled) == (None, True)
    told = flow.stream.told[0].headers
    assert dict(told) == {
        "id": b"7",
        "tandem-question": b"questions/0/0",
        "tandem-receipt-id": first.answer_id.encode(),
        "traceparent": first.span.traceparent.encode(),
        "tracestate": b"x=1",
    }
    assert first.answer_id == json.loads(flow.stream.told[0].body)[0]


@pytest.mark.parametrize(
    "fault",
    [
        Preempted("Gone."),
        Overloaded("Full.", retry_after_s=7),
        UpstreamUnavailable("Away."),
        UpstreamUnavailable("", retry_after_s=9),
    ],
)
async def test_want_of_room_is_waited_out_however_often(fault: TandemError) -> None:
    flow = Flow(most=2)
    flow.answers.steps["a"] = [fault] * 20
    flow.stream.ask(b"a", b"b")
    async with flow.running():
        assert await flow.until_told(2) == ["a", "b"]
    assert flow.counted.back == [fault.code] * 20
    assert len(flow.pauses) == 20
    assert min(flow.pauses) >= max(0.25, getattr(fault, "retry_after_s", None) or 0)
    assert flow.pauses[0] < max(flow.pauses) <= 120 or flow.pauses[0] >= 7
    assert len({context.answer_id for context in flow.answers.contexts}) == 22, "each attempt has a receipt of its own"


async def test_failures_that_may_pass_are_tried_so_often_and_then_told() -> None:
    flow = Flow(most=3)
    flow.answers.steps["a"] = [UpstreamFailed("Cut."), DeadlineExceeded("generation")]
    flow.answers.steps["b"] = [UpstreamFailed("Cut.")] * 3
    flow.answers.steps["c"] = [ContextTooLong("Too long.")]
    flow.stream.ask(b"a", b"b", b"c")
    async with flow.running():
        assert await flow.until_told(3) == ["a", "upstream_failed", "context_length_exceeded"]
    assert flow.answers.asked.count("b") == 3
    assert flow.answers.asked.count("c") == 1
    assert flow.counted.ends == ["answered", "upstream_failed", "context_length_exceeded"]
    assert [reply.failed for reply in flow.stream.told] == [False, True, True]
    assert dict(flow.stream.told[1].headers)["tandem-error"] == b"upstream_failed"
    assert "tandem-receipt-id" in dict(flow.stream.told[1].headers)


async def test_a_record_that_cannot_be_read_gets_an_error_and_the_stream_goes_on() -> None:
    flow = Flow()
    flow.stream.ask(b"broken", None, b"c")
    async with flow.running():
        assert await flow.until_told(3) == ["invalid_request", "invalid_request", "c"]
    assert flow.answers.asked == ["c"]
    assert dict(flow.stream.told[0].headers)["tandem-question"] == b"questions/0/0"
    assert flow.stream.done == {0: 3}


async def test_a_fault_of_ours_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    flow = Flow()
    flow.answers.steps["a"] = [ZeroDivisionError()]
    flow.stream.ask(b"a", b"b")
    async with flow.running():
        assert await flow.until_told(2) == ["internal_error", "b"]
    assert "a question could not be answered: ZeroDivisionError" in caplog.text


async def test_an_answer_that_no_record_takes_is_an_error() -> None:
    flow = Flow()
    flow.stream.ask(b"x" * 950_000, b"b")
    async with flow.running():
        assert await flow.until_told(2) == ["payload_too_large", "b"]


async def test_a_stream_that_is_away_is_opened_again_and_what_was_not_published_is_answered_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flow = Flow()
    flow.stream.ask(b"a", b"b", b"c")
    slow = asyncio.Event()
    flow.answers.steps["c"] = [slow] * 4
    async with flow.running():
        await flow.until_told(2)
        for number in range(3):
            flow.stream.faults.append(UpstreamUnavailable("The broker is away."))
            await flow.until(lambda so_far=number: len(flow.pauses) > so_far)  # type: ignore[misc]
        slow.set()
        assert await flow.until_told(3) == ["a", "b", "c"]
    assert flow.stream.done == {0: 3}
    assert flow.pauses == [1.0, 2.0, 4.0]
    assert flow.counted.up == [True, False] * 4
    assert "the stream mail is opened again in 1 s: The broker is away." in caplog.text


async def test_what_others_got_is_not_answered_on_and_what_stays_is() -> None:
    flow = Flow(partitions=2, concurrency=8)
    held = {text: asyncio.Event() for text in "abcd"}
    flow.answers.steps = {text: [event] for text, event in held.items()}
    flow.stream.ask(b"a", b"b", partition=0)
    flow.stream.ask(b"c", b"d", partition=1)
    async with flow.running():
        await flow.until(lambda: flow.answers.running == 4)
        async with flow.stream.open(lambda _: None) as other:
            await flow.until(lambda: flow.answers.running == 2)
            (c, d) = await other.take(10)
            assert (c.body, d.body) == (b"c", b"d")
            for event in held.values():
                event.set()
            assert await flow.until_told(2) == ["a", "b"]
            await flow.until(lambda: flow.counted.taken == 0)
        assert await flow.until_told(4) == ["a", "b", "c", "d"]
    assert sorted(flow.answers.asked) == ["a", "b", "c", "c", "d", "d"]


async def test_when_the_process_leaves_none_is_begun_and_those_that_run_end() -> None:
    flow = Flow(concurrency=1)
    slow = asyncio.Event()
    flow.answers.steps["a"] = [slow]
    flow.stream.ask(b"a", b"b")
    async with flow.running():
        await flow.until(lambda: flow.answers.running == 1)
        flow.welcome = False
        flow.stream.ask(b"c")
        slow.set()
        assert await flow.until_told(1) == ["a"]
        await asyncio.sleep(0.05)
    assert (flow.told, flow.answers.asked, flow.stream.done) == (["a"], ["a"], {0: 1})


async def test_told_to_end_it_breaks_off_what_runs_and_publishes_what_is_there() -> None:
    flow = Flow(partitions=2)
    flow.answers.steps["b"] = [asyncio.Event()]
    flow.stream.ask(b"a", b"b", b"c")
    async with flow.running():
        await flow.until(lambda: flow.answers.asked == ["a", "b", "c"] and flow.answers.running == 1)
    assert (flow.told, flow.answers.running, flow.stream.members) == (["a"], 0, [])
    async with flow.running():
        assert await flow.until_told(3) == ["a", "b", "c"]
