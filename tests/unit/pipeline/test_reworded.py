"""A model's words for a search: in the slot of the answer, or in one of their own that is given back before the search."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import _AsyncGeneratorContextManager, asynccontextmanager

import pytest

from fakes.one_pool import one_pool
from fakes.passages import passage
from fakes.unmetered import Unmetered
from tandem.adapters.quotas.memory import MemoryQuotas
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.generator import CARD, ScriptedGenerator
from tandem.adapters.scripted.retriever import ScriptedRetriever
from tandem.admission.quotas import Quotas, Reservation
from tandem.admission.store_watch import StoreWatch
from tandem.app.templates import rewrite_sources, template_sources
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, Overloaded, UpstreamFailed
from tandem.domain.generation import GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.passage import Retrieval
from tandem.domain.question import Message, Question, RetrievalOptions, Sampling
from tandem.domain.quota import Standing
from tandem.domain.tenants import Tenant, Tenants
from tandem.pipeline.answering import Answering
from tandem.pipeline.dispatching import Asked, Dispatch
from tandem.pipeline.reworded import Reworded
from tandem.pipeline.rewording import Rewording, RewordingDefaults
from tandem.pipeline.rewriting import SlotRewriter
from tandem.ports.generator import Generator
from tandem.prompting.rewrites import Rewrites
from tandem.prompting.templates import Templates

OPTIONS = RetrievalOptions(expand=True)
FEE = "What does a berth cost?"
LINES = ["How much is a mooring?\n", "Which price has a place?"]
LIMIT = 5000
PROMPT = Prompt((Message("user", "Write."),), "any@1")


def rewording(clock: ScriptedClock) -> Rewording:
    return Rewording(Rewrites(rewrite_sources(None)), clock, RewordingDefaults(mode="multi_query"))


def quotas(clock: ScriptedClock, limit: int = LIMIT) -> Quotas:
    tenants = Tenants({"acme": Tenant("acme", tokens_per_minute=limit)})
    return Quotas(tenants, StoreWatch(MemoryQuotas(clock), Unmetered()), clock, meter=Unmetered(), new_id=lambda: "id")


class Bench:
    def __init__(self, generator: Generator, *, slots: int = 1, limit: int = LIMIT) -> None:
        clock = ScriptedClock()
        self.dispatch = one_pool(generator, clock, slots=slots)
        self.found = Watching(self.dispatch)
        counted = quotas(clock, limit)
        self.retriever = Reworded(self.found, rewording(clock), self.dispatch, counted)
        self.flow = Answering(
            self.found,
            self.dispatch,
            Templates(template_sources(None)),
            clock,
            quotas=counted,
            rewording=rewording(clock),
        )
        self.context = RequestContext("r", "acme", standing=Standing())

    @property
    def left(self) -> int:
        assert self.context.standing is not None and self.context.standing.tokens is not None
        return self.context.standing.tokens.remaining

    @property
    def texts(self) -> list[str]:
        wording = self.found.asked[-1][1].wording
        return [] if wording is None else [query.text for query in wording.queries]


class Watching(ScriptedRetriever):
    """Remembers how many slots were taken while it searched."""

    def __init__(self, dispatch: Dispatch) -> None:
        super().__init__([passage("A berth costs four.")])
        self._dispatch = dispatch
        self.running: list[int] = []

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        self.running.append(self._dispatch.load()[0].running)
        return await super().retrieve(question, options, context)


async def test_passages_alone_take_a_slot_for_the_words_only() -> None:
    generator = ScriptedGenerator(LINES)
    bench = Bench(generator)
    found = await bench.retriever.retrieve(FEE, OPTIONS, bench.context)
    assert found.passages
    assert bench.texts == ["How much is a mooring?", "Which price has a place?"]
    assert bench.found.running == [0]
    # One token of prompt and two of words, by the model's own count.
    assert bench.left == LIMIT - 3


async def test_who_wants_no_other_words_takes_no_slot() -> None:
    generator = ScriptedGenerator(LINES)
    bench = Bench(generator)
    await bench.retriever.retrieve(FEE, RetrievalOptions(), bench.context)
    assert generator.prompts == []
    assert bench.found.asked[-1][1].wording is None


async def test_an_answer_writes_them_in_its_own_slot_and_pays_for_both() -> None:
    generator = ScriptedGenerator(LINES)
    bench = Bench(generator, slots=1)
    async with asyncio.timeout(5):
        async with bench.flow.answer(Question(FEE, retrieval=OPTIONS), bench.context) as events:
            assert [event async for event in events]
    assert [prompt.template for prompt in generator.prompts] == ["multi-query@1", "answer@1"]
    assert bench.texts == ["How much is a mooring?", "Which price has a place?"]
    assert bench.found.running == [1]
    assert bench.left == LIMIT - 6
    (load,) = bench.dispatch.load()
    assert (load.running, load.spent_tokens) == (0, 6)


async def test_what_it_may_take_is_reserved_beforehand() -> None:
    bench = Bench(ScriptedGenerator(LINES), limit=1800)
    question = Question(FEE, retrieval=OPTIONS, sampling=Sampling(max_tokens=200))
    with pytest.raises(InvalidRequest, match="quota is 1800"):
        async with bench.flow.answer(question, bench.context):
            pass
    async with bench.flow.answer(Question(FEE, sampling=question.sampling), bench.context) as events:
        assert [event async for event in events]


@pytest.mark.parametrize("error", [Overloaded("full"), InvalidRequest("no")])
async def test_a_model_without_room_is_done_without(error: Exception) -> None:
    bench = Bench(ScriptedGenerator(LINES, error=error))  # type: ignore[arg-type]
    found = await bench.retriever.retrieve(FEE, OPTIONS, bench.context)
    assert found.passages and bench.texts == []
    wording = bench.found.asked[-1][1].wording
    assert wording is not None and wording.degraded == ("expand_failed",)
    assert bench.left == LIMIT


async def test_a_tenant_without_tokens_still_finds_its_passages() -> None:
    bench = Bench(ScriptedGenerator(LINES), limit=100)
    assert (await bench.retriever.retrieve(FEE, OPTIONS, bench.context)).passages
    wording = bench.found.asked[-1][1].wording
    assert wording is not None and wording.degraded == ("expand_unavailable",)


async def test_a_model_that_only_quotes_is_not_asked() -> None:
    generator = ScriptedGenerator(LINES, card=ModelCard("extractive", "extractive", 4096))
    bench = Bench(generator)
    await bench.retriever.retrieve(FEE, OPTIONS, bench.context)
    assert generator.prompts == []
    wording = bench.found.asked[-1][1].wording
    assert wording is not None and wording.degraded == ("expand_unavailable",)


async def test_words_that_break_off_are_paid_for_as_far_as_they_came() -> None:
    bench, bill = Bench(ScriptedGenerator(["one ", "two ", "three"], fail_after=2)), Reservation(100)
    async with bench.dispatch.admit(Asked("docs", 1, 1), bench.context) as admitted:
        with pytest.raises(Exception, match="breaks off"):
            await SlotRewriter(admitted, bill).write(PROMPT, bench.context, max_tokens=9)
    assert bill.aside == len("Write.") // 3 + 2
    assert bench.dispatch.load()[0].spent_tokens == bill.aside


async def test_words_without_an_end_are_no_words() -> None:
    class Endless(ScriptedGenerator):
        @asynccontextmanager
        async def stream(
            self, prompt: Prompt, sampling: Sampling, context: RequestContext
        ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
            async def events() -> AsyncIterator[GenerationEvent]:
                yield Token("one")

            yield events()

    bench = Bench(Endless([]))
    async with bench.dispatch.admit(Asked("docs", 1, 1), bench.context) as admitted:
        with pytest.raises(UpstreamFailed, match="without an end"):
            await SlotRewriter(admitted, Reservation(9)).write(PROMPT, bench.context, max_tokens=9)


async def test_without_quotas_nothing_is_reserved() -> None:
    clock = ScriptedClock()
    dispatch = one_pool(ScriptedGenerator(LINES), clock)
    inner = ScriptedRetriever([passage("A berth costs four.")])
    assert (await Reworded(inner, rewording(clock), dispatch).retrieve(FEE, OPTIONS, RequestContext("r"))).passages
    assert inner.asked[-1][1].wording is not None


async def test_a_server_that_takes_no_schema_is_asked_without_it() -> None:
    class Plain(ScriptedGenerator):
        def stream(
            self, prompt: Prompt, sampling: Sampling, context: RequestContext
        ) -> _AsyncGeneratorContextManager[AsyncIterator[GenerationEvent]]:
            asked.append(sampling.json_schema)
            self._error = InvalidRequest("no response_format here") if sampling.json_schema else None
            return super().stream(prompt, sampling, context)

    asked: list[str | None] = []
    bench = Bench(Plain([json.dumps({})], card=CARD))
    async with bench.dispatch.admit(Asked("docs", 1, 1), bench.context) as admitted:
        rewriter = SlotRewriter(admitted, Reservation(9))
        assert await rewriter.write(PROMPT, bench.context, max_tokens=9, schema="{}") == "{}"
        assert asked == ["{}", None]
        # The answer that follows is counted apart.
        admitted.used(Usage(1, 1))
    assert bench.dispatch.load()[0].spent_tokens == 2 + 2
