"""Each way that an answer can end leaves one record, which says what there was."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fakes.one_pool import one_pool
from fakes.passages import passage
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.generator import ScriptedGenerator
from tandem.adapters.scripted.monitor import ScriptedMonitor
from tandem.adapters.scripted.retriever import ScriptedRetriever
from tandem.app.templates import template_sources
from tandem.domain.context import RequestContext
from tandem.domain.errors import UpstreamFailed, UpstreamUnavailable
from tandem.domain.question import Message, Question, RetrievalOptions, Sampling
from tandem.domain.record import AnswerRecord
from tandem.domain.span import SpanContext
from tandem.pipeline.account import CLIENT_CLOSED
from tandem.pipeline.answering import ABSTENTION, Answering
from tandem.prompting.templates import Templates

HARBOUR = passage("The harbour opens at seven. It closes at nine.")
SPAN = SpanContext("a" * 32, "b" * 16, "c" * 16)
CONTEXT = RequestContext("r-1", "acme", span=SPAN, user="web", answer_id="rcpt-1")
QUESTION = Question(
    "When does it open?",
    (Message("user", "Is there a harbour?"), Message("assistant", "Yes [1].")),
    RetrievalOptions("harbours"),
    Sampling(max_tokens=9, temperature=0.0),
    user="jo",
)


class Flow:
    """The flow over doubles, and what it recorded."""

    def __init__(self, generator: ScriptedGenerator, retriever: Any = None) -> None:
        self.monitor = ScriptedMonitor()
        self.clock = ScriptedClock()
        self.answering = Answering(
            retriever or ScriptedRetriever([HARBOUR]),
            one_pool(generator, self.clock),
            Templates(template_sources(None)),
            self.clock,
            monitor=self.monitor,
        )

    async def whole(self) -> AnswerRecord:
        async with self.answering.answer(QUESTION, CONTEXT) as events:
            async for _ in events:
                self.clock.advance(0.5)
        return self.only

    @property
    def only(self) -> AnswerRecord:
        assert len(self.monitor.records) == 1
        return self.monitor.records[0]


async def test_an_answer_is_recorded_with_all_that_it_came_from() -> None:
    record = await Flow(ScriptedGenerator(["It opens ", "at seven [1]."])).whole()
    assert (record.id, record.request_id, record.mode, record.outcome) == ("rcpt-1", "r-1", "online", "answered")
    assert (record.asker.tenant, record.asker.caller, record.asker.user) == ("acme", "web", "jo")
    assert record.trace is not None
    assert (record.trace.trace_id, record.trace.span_id, record.trace.parent_id) == ("a" * 32, "b" * 16, "c" * 16)
    assert (record.question.text, record.question.conversation) == (QUESTION.text, QUESTION.conversation)
    assert record.question.standalone is not None
    assert "harbour" in record.question.standalone
    assert (record.retrieval.asked, record.retrieval.relevance) == ("harbours", 1.0)
    assert [(each.chunk_id, each.text) for each in record.retrieval.passages] == [
        (HARBOUR.chunk.id, HARBOUR.chunk.text)
    ]
    assert record.prompt is not None
    assert record.prompt.template == "answer@1"
    assert HARBOUR.chunk.text in record.prompt.messages[-1].content
    assert record.answer.text == "It opens at seven [1]."
    assert [(each.number, each.chunk_id) for each in record.answer.citations] == [(1, HARBOUR.chunk.id)]
    assert (record.answer.finish_reason, record.answer.prompt_tokens, record.answer.completion_tokens) == ("stop", 1, 2)
    assert record.model is not None
    assert (record.model.pool, record.model.reason, record.model.attempts) == ("default", "preferred", 1)
    assert record.sampling == QUESTION.sampling
    assert (record.error, record.content, record.schema) == (None, True, 1)


async def test_its_stages_stand_in_time() -> None:
    record = await Flow(ScriptedGenerator(["It opens ", "at seven [1]."])).whole()
    stages = {each.name: each for each in record.timing.stages}
    assert stages.keys() == {"queue", "retrieval", "generation"}
    # `Found`, then a token: what came after took its time.
    assert record.timing.first_token_s == 0.5
    assert (stages["generation"].began_s, stages["generation"].took_s) == (0.0, 2.0)
    assert record.timing.duration_s == 2.0


async def test_an_abstention_has_no_prompt_and_says_so() -> None:
    record = await Flow(ScriptedGenerator(["No."]), ScriptedRetriever()).whole()
    assert (record.outcome, record.answer.text) == ("abstained", ABSTENTION)
    assert record.prompt is not None
    assert (record.prompt.template, record.prompt.messages) == ("answer@1", ())


async def test_a_model_that_fails_leaves_what_was_retrieved() -> None:
    flow = Flow(ScriptedGenerator(["a"], error=UpstreamFailed("gone")))
    with pytest.raises(UpstreamFailed):
        await flow.whole()
    record = flow.only
    assert record.outcome == "failed"
    assert record.error is not None
    assert (record.error.code, record.error.message, record.error.stage) == ("upstream_failed", "gone", "generation")
    assert record.retrieval.passages
    assert record.prompt is not None and record.prompt.messages
    assert record.answer.text == ""


async def test_an_answer_that_breaks_off_keeps_what_was_said() -> None:
    flow = Flow(ScriptedGenerator(["It ", "opens"], fail_after=1))
    with pytest.raises(UpstreamFailed):
        await flow.whole()
    assert (flow.only.outcome, flow.only.answer.text, flow.only.answer.finish_reason) == ("failed", "It ", None)


async def test_a_failed_retrieval_is_told_by_its_stage() -> None:
    class Gone:
        async def retrieve(self, *_: object) -> None:
            raise UpstreamUnavailable("No store.", stage="retrieval")

    flow = Flow(ScriptedGenerator(["a"]), Gone())
    with pytest.raises(UpstreamUnavailable):
        await flow.whole()
    assert flow.only.error is not None
    assert (flow.only.error.stage, flow.only.retrieval.asked, flow.only.prompt) == ("retrieval", "harbours", None)


@pytest.mark.parametrize(("message", "outcome"), [(CLIENT_CLOSED, "client_closed"), (None, "cancelled")])
async def test_who_ended_it_is_told(message: str | None, outcome: str) -> None:
    flow = Flow(ScriptedGenerator(["It ", "opens"]))
    began = asyncio.Event()

    async def answer() -> None:
        async with flow.answering.answer(QUESTION, CONTEXT) as events:
            async for _ in events:
                began.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(answer())
    await began.wait()
    task.cancel(message)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert flow.only.outcome == outcome
    assert flow.only.error is not None
    assert flow.only.error.code == outcome


async def test_the_retriever_is_called_by_the_span_of_its_stage() -> None:
    retriever = ScriptedRetriever([HARBOUR])
    await Flow(ScriptedGenerator(["a"]), retriever).whole()
    called = retriever.asked[0][2].span
    assert called == SPAN.child("retrieval")
    assert called.parent_id == SPAN.span_id
    assert replace(called, span_id="") != replace(SPAN, span_id="")
