import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from fakes.one_pool import one_pool
from fakes.passages import passage
from tandem.adapters.cache.memory import MemoryCache
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.generator import CARD, ScriptedGenerator
from tandem.adapters.scripted.retriever import ScriptedRetriever
from tandem.app.templates import template_sources
from tandem.domain.answer import Answered, AnswerEvent, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded, UnknownPrompt, UpstreamFailed
from tandem.domain.generation import GenerationEvent, Prompt, Token, Usage
from tandem.domain.passage import Passage, Retrieval
from tandem.domain.question import Message, Question, RetrievalOptions, Sampling
from tandem.domain.route import Route
from tandem.pipeline.answering import ABSTENTION, UNAIDED, UNSEARCHED, AnswerDefaults, Answering
from tandem.pipeline.caching import AnswerCache, KeptAnswer, NotCounted
from tandem.ports.generator import Generator
from tandem.ports.retriever import Retriever
from tandem.prompting.fences import unfence
from tandem.prompting.templates import Templates
from tandem.retrieval.plan import UNAVAILABLE

HARBOUR = passage("The harbour opens at seven. It closes at nine.")
CONTEXT = RequestContext("r")


def answering(
    generator: Generator,
    retriever: Retriever | None = None,
    clock: ScriptedClock | None = None,
    defaults: AnswerDefaults | None = None,
) -> Answering:
    clock = clock or ScriptedClock()
    return Answering(
        retriever or ScriptedRetriever([HARBOUR]),
        one_pool(generator, clock),
        Templates(template_sources(None)),
        clock,
        defaults,
    )


async def told(flow: Answering, question: Question, context: RequestContext = CONTEXT) -> list[AnswerEvent]:
    async with flow.answer(question, context) as events:
        return [event async for event in events]


async def test_an_answer_is_found_told_and_cited() -> None:
    generator = ScriptedGenerator(["It opens ", "at seven [1]."])
    events = await told(answering(generator), Question("When does it open?", sampling=Sampling(max_tokens=9)))
    found, *tokens, last = events
    assert isinstance(found, Found)
    assert replace(found, route=Route()) == Found(Retrieval((HARBOUR,), 1.0), "When does it open?", CARD, "answer@1")
    assert (found.route.pool, found.route.reason, found.route.attempts) == ("default", "preferred", 1)
    assert tokens == [Token("It opens "), Token("at seven [1].")]
    assert isinstance(last, Answered)
    assert (last.outcome, last.finish_reason, last.usage) == ("answered", "stop", Usage(1, 2))
    assert [HARBOUR.chunk.text[each.start : each.end] for each in last.citations] == ["The harbour opens at seven."]
    assert last.timings_s.keys() == {"queue", "retrieval", "first_token", "generation"}
    fenced = unfence(generator.prompts[0].messages[-1].content)
    assert fenced is not None
    assert (fenced.question, fenced.passages[0].text) == ("When does it open?", HARBOUR.chunk.text)


async def test_without_passages_the_model_is_not_asked() -> None:
    generator = ScriptedGenerator(["It opens at noon."])
    found, token, last = await told(answering(generator, ScriptedRetriever()), Question("When?"))
    assert generator.prompts == []
    assert isinstance(found, Found)
    assert token == Token(ABSTENTION)
    assert isinstance(last, Answered)
    assert (last.outcome, last.usage, last.citations) == ("abstained", Usage(0, 0), ())


async def test_a_follow_up_is_searched_for_with_what_it_is_about() -> None:
    retriever = ScriptedRetriever([HARBOUR])
    talk = (Message("user", "When does the harbour open?"), Message("assistant", "At seven [1]."))
    options = RetrievalOptions(collection="notes", top_k=1)
    await told(answering(ScriptedGenerator(["No."]), retriever), Question("And on Sundays?", talk, options))
    assert retriever.asked == [("When does the harbour open? And on Sundays?", options, CONTEXT)]


async def test_an_unknown_prompt_fails_before_anything_is_done() -> None:
    retriever = ScriptedRetriever([HARBOUR])
    with pytest.raises(UnknownPrompt):
        await told(answering(ScriptedGenerator([]), retriever), Question("When?", prompt="nope@1"))
    assert retriever.asked == []


@pytest.mark.parametrize("error", [Overloaded("full"), UpstreamFailed("gone")])
async def test_what_the_model_raises_comes_through(error: Exception) -> None:
    with pytest.raises(type(error)):
        await told(answering(ScriptedGenerator(["a"], error=error)), Question("When?"))  # type: ignore[arg-type]


async def test_a_stream_that_breaks_off_is_a_failure_after_the_tokens_it_gave() -> None:
    seen: list[AnswerEvent] = []
    flow = answering(ScriptedGenerator(["It ", "opens"], fail_after=1))
    with pytest.raises(UpstreamFailed):
        async with flow.answer(Question("When?"), CONTEXT) as events:
            seen.extend([event async for event in events])  # pragma: no branch
    async with flow.answer(Question("When?"), CONTEXT) as events:
        assert isinstance(await anext(events), Found)
        assert await anext(events) == Token("It ")
        with pytest.raises(UpstreamFailed):
            await anext(events)


class Endless:
    """A generator whose stream just ends, or never begins to be left."""

    async def card(self) -> object:
        return CARD

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        async def events() -> AsyncIterator[GenerationEvent]:
            yield Token("Half an")

        yield events()


async def test_a_stream_without_an_end_is_a_failure() -> None:
    with pytest.raises(UpstreamFailed, match="without an end"):
        await told(answering(Endless()), Question("When?"))  # type: ignore[arg-type]


async def test_leaving_early_leaves_the_model_too() -> None:
    generator = ScriptedGenerator(["a", "b", "c"])
    async with answering(generator).answer(Question("When?"), CONTEXT) as events:
        await anext(events)
        await anext(events)
        assert generator.running == 1
    assert (generator.running, generator.left_early) == (0, 1)


async def test_a_deadline_that_has_passed_stops_before_retrieval() -> None:
    retriever, clock = ScriptedRetriever([HARBOUR]), ScriptedClock(monotonic_s=50.0)
    with pytest.raises(DeadlineExceeded) as caught:
        await told(
            answering(ScriptedGenerator(["a"]), retriever, clock),
            Question("When?"),
            RequestContext("r", deadline_s=50.0),
        )
    assert caught.value.stage == "queue"
    assert retriever.asked == []


async def test_a_retrieval_that_hangs_is_cut_off_at_the_deadline() -> None:
    class Hanging(ScriptedRetriever):
        async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
            await asyncio.Event().wait()
            raise AssertionError

    with pytest.raises(DeadlineExceeded) as caught:
        await told(
            answering(ScriptedGenerator(["a"]), Hanging()), Question("When?"), RequestContext("r", deadline_s=1000.01)
        )
    assert caught.value.stage == "retrieval"


@pytest.mark.parametrize("pieces", [[], ["", " \n"]])
async def test_a_model_that_says_nothing_has_not_answered(pieces: list[str]) -> None:
    events = await told(answering(ScriptedGenerator(pieces)), Question("When?", sampling=Sampling(max_tokens=9)))
    assert events[-2] == Token(ABSTENTION)
    assert isinstance(events[-1], Answered)
    assert (events[-1].outcome, events[-1].citations) == ("abstained", ())


async def test_a_model_that_abstains_in_tandems_own_words_has_abstained() -> None:
    *_, token, last = await told(answering(ScriptedGenerator([f"{ABSTENTION}\n"])), Question("When?"))
    assert token == Token(f"{ABSTENTION}\n")
    assert isinstance(last, Answered)
    assert (last.outcome, last.citations) == ("abstained", ())


async def test_the_default_answer_length_holds_unless_the_request_names_one() -> None:
    pieces = ["It "] * 300
    for asked, expected in ((None, 256), (3, 3)):
        *_, last = await told(
            answering(ScriptedGenerator(pieces)), Question("When?", sampling=Sampling(max_tokens=asked))
        )
        assert isinstance(last, Answered)
        assert (last.finish_reason, last.usage.completion_tokens) == ("length", expected)


@pytest.mark.parametrize("found", [(HARBOUR,), ()])
async def test_what_was_left_out_is_told_with_the_answer(found: tuple[Passage, ...]) -> None:
    class Hurried(ScriptedRetriever):
        async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
            return Retrieval(found, 0.5, ("rerank_skipped",))

    *_, last = await told(answering(ScriptedGenerator(["At seven."]), Hurried()), Question("When?"))
    assert isinstance(last, Answered)
    assert last.degraded == ("rerank_skipped",)


class Unavailable(ScriptedRetriever):
    """A retrieval that could not be had, and that the answer goes on without."""

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        return Retrieval((), 0.0, (UNAVAILABLE,))


async def test_when_nothing_can_be_searched_the_model_answers_by_itself_and_all_say_so() -> None:
    generator = ScriptedGenerator(["I cannot look it up. ", "At seven, I think [1]."])
    talk = (Message("user", "Hello"), Message("assistant", "Hello."))
    found, *tokens, last = await told(answering(generator, Unavailable()), Question("When?", talk))
    assert isinstance(found, Found)
    assert found.prompt == UNAIDED
    [prompt] = generator.prompts
    assert prompt.template == UNAIDED
    assert "cannot be searched" in prompt.messages[0].content
    assert prompt.messages[1:3] == talk
    assert "When?" in prompt.messages[-1].content
    assert "<passage" not in prompt.messages[-1].content
    assert len(tokens) == 2
    assert isinstance(last, Answered)
    assert (last.outcome, last.citations, last.degraded) == ("ungrounded", (), (UNAVAILABLE,))


async def test_a_model_that_has_nothing_to_say_by_itself_is_silent_for_that_reason() -> None:
    _, token, last = await told(answering(ScriptedGenerator([]), Unavailable()), Question("When?"))
    assert token == Token(UNSEARCHED)
    assert isinstance(last, Answered)
    assert (last.outcome, last.degraded) == ("abstained", (UNAVAILABLE,))


async def test_without_retrieval_the_conversation_goes_to_the_model_as_it_is() -> None:
    generator, retriever = ScriptedGenerator(["At ", "seven [1]."]), ScriptedRetriever([HARBOUR])
    talk = (Message("system", "Be brief."), Message("user", "Hello"), Message("assistant", "Hello."))
    flow = answering(generator, retriever, defaults=AnswerDefaults(retrieves=False))
    found, *tokens, last = await told(flow, Question("When?", talk, sampling=Sampling(temperature=0.5)))
    assert retriever.asked == []
    assert generator.prompts == [Prompt((*talk, Message("user", "When?")), "none")]
    assert tokens == [Token("At "), Token("seven [1].")]
    assert isinstance(found, Found)
    assert (found.retrieval.passages, found.prompt) == ((), "none")
    assert isinstance(last, Answered)
    assert (last.outcome, last.citations) == ("answered", ())


async def test_without_retrieval_an_empty_answer_stays_empty() -> None:
    flow = answering(ScriptedGenerator([]), defaults=AnswerDefaults(retrieves=False))
    _, last = await told(flow, Question("When?"))
    assert isinstance(last, Answered)
    assert last.outcome == "answered"


async def test_an_answer_left_in_the_middle_is_charged_for_what_came() -> None:
    clock = ScriptedClock()
    pools = one_pool(ScriptedGenerator(["a ", "b ", "c"]), clock)
    flow = Answering(ScriptedRetriever([HARBOUR]), pools, Templates(template_sources(None)), clock)
    async with flow.answer(Question("When?"), CONTEXT) as events:
        for _ in range(3):
            await anext(events)
    left = pools.load()[0].spent_tokens
    async with flow.answer(Question("When?"), CONTEXT) as events:
        await anext(events)
    assert left > 2, "the prompt and two tokens"
    assert pools.load()[0].spent_tokens == left, "nothing came, nothing is charged"


async def test_an_answer_that_was_given_before_is_given_again_without_the_model() -> None:
    generator = ScriptedGenerator(["It opens ", "at seven [1]."])
    cache: MemoryCache[KeptAnswer] = MemoryCache(ScriptedClock(), max_bytes=100_000, ttl_s=60)
    clock = ScriptedClock()
    flow = Answering(
        ScriptedRetriever([HARBOUR]),
        one_pool(generator, clock),
        Templates(template_sources(None)),
        clock,
        answers=AnswerCache(cache, "greedy", "exact", NotCounted()),
    )
    greedy = Question("When does it open?", sampling=Sampling(max_tokens=9, temperature=0.0))
    first = await told(flow, greedy)
    again = await told(flow, greedy)
    assert len(generator.prompts) == 1
    assert [event.text for event in again if isinstance(event, Token)] == ["It opens at seven [1]."]
    ends = first[-1], again[-1]
    assert isinstance(ends[0], Answered)
    assert isinstance(ends[1], Answered)
    assert (ends[0].cached, ends[1].cached) == (False, True)
    assert ends[1].citations == ends[0].citations
    assert len(ends[1].citations) == 1
    await told(flow, replace(greedy, sampling=Sampling(max_tokens=9, temperature=0.7)))
    assert len(generator.prompts) == 2
