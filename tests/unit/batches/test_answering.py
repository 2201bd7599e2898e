"""A line waits for what may pass, as long as it may, and is refused with what it would be refused with online."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.answer import Answered, AnswerEvent, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
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
from tandem.domain.question import Question, RetrievalOptions
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.batches.answering import LineAnswering


@dataclass
class Model:
    """Fails with these, one after the other, and then answers."""

    failures: list[TandemError] = field(default_factory=list)
    seen: list[RequestContext] = field(default_factory=list)

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        self.seen.append(context)
        if self.failures:
            raise self.failures.pop(0)
        yield self._events()

    async def _events(self) -> AsyncIterator[AnswerEvent]:
        yield Found(Retrieval((), 0.0), "q", ModelCard("m", "e", 1), "p@1")
        yield Token("To")
        yield Token("ken")
        yield Answered("answered", "stop", Usage(2, 1))


def answering(model: Model, *, timeout_s: float = 600.0) -> LineAnswering:
    def parse(body: bytes) -> Question:
        if body == b"bad":
            raise InvalidRequest("No.")
        return Question(body.decode(), (), RetrievalOptions("docs"))

    clock = ScriptedClock()

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    return LineAnswering(
        model,
        parse,
        lambda receipt, created, found, text, end: f"{receipt} {created} {text}".encode(),
        clock,
        AttemptPolicy(3, 0.5, 30.0, timeout_s),
        lambda: 0.0,
        lambda: "1",
        groups=("all",),
        sleep=sleep,
    )


async def test_it_asks_as_a_batch_does() -> None:
    model = Model()
    answer = await answering(model).answer(b"Why?", "req")
    assert answer.completion == b"rcpt-1 1767225600 Token"
    context = model.seen[0]
    assert (context.mode, context.request_id, context.answer_id, context.groups) == ("batch", "req", "rcpt-1", ("all",))


@pytest.mark.parametrize(
    "failure",
    [Preempted("m"), Overloaded("m", retry_after_s=3), UpstreamUnavailable("m"), UpstreamFailed("m")],
)
async def test_what_may_pass_is_waited_out(failure: TandemError) -> None:
    model = Model([failure, failure])
    await answering(model).answer(b"Why?", "req")
    assert len(model.seen) == 3
    assert len({context.deadline_s for context in model.seen}) == 1


async def test_want_of_room_is_waited_out_for_as_long_as_the_line_may_take() -> None:
    model = Model([Overloaded("m", retry_after_s=10)] * 1_000)
    with pytest.raises(Overloaded):
        await answering(model, timeout_s=100).answer(b"Why?", "req")
    assert 4 < len(model.seen) < 11


async def test_a_broken_answer_is_asked_for_three_times() -> None:
    model = Model([UpstreamFailed("m")] * 9)
    with pytest.raises(UpstreamFailed):
        await answering(model).answer(b"Why?", "req")
    assert len(model.seen) == 3


async def test_what_is_spent_for_the_day_is_told_at_once() -> None:
    spent = Overloaded("m", retry_after_s=5)
    spent.spent = True
    model = Model([spent])
    with pytest.raises(Overloaded):
        await answering(model).answer(b"Why?", "req")
    assert len(model.seen) == 1


@pytest.mark.parametrize(("body", "asked"), [(b"bad", 0), (b"Why?", 1)])
async def test_what_cannot_pass_is_told_at_once(body: bytes, asked: int) -> None:
    model = Model([InvalidRequest("m")])
    with pytest.raises(InvalidRequest):
        await answering(model).answer(body, "req")
    assert len(model.seen) == asked


async def test_out_of_time_is_out_of_time() -> None:
    model = Model([DeadlineExceeded("queue")] * 9)
    with pytest.raises(DeadlineExceeded):
        await answering(model, timeout_s=1).answer(b"Why?", "req")
