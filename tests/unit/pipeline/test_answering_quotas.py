"""What an answer takes of its tenant's tokens: reserved before any work, charged for what came of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fakes.one_pool import one_pool
from fakes.passages import passage
from fakes.unmetered import Unmetered
from tandem.adapters.quotas.memory import MemoryQuotas
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.generator import ScriptedGenerator
from tandem.adapters.scripted.retriever import ScriptedRetriever
from tandem.admission.quotas import Quotas
from tandem.admission.store_watch import StoreWatch
from tandem.app.templates import template_sources
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, RateLimited, TandemError, UpstreamUnavailable
from tandem.domain.generation import GenerationEvent, ModelCard, Prompt, Token
from tandem.domain.question import Question, Sampling
from tandem.domain.quota import Standing
from tandem.domain.tenants import Tenant, Tenants
from tandem.pipeline.answering import Answering
from tandem.ports.generator import Generator
from tandem.prompting.templates import Templates

LIMIT = 5000
# The default of passages and what the question says.
PASSAGES = 1500
QUESTION = Question("When does it open?", sampling=Sampling(max_tokens=200))
RESERVED = len(QUESTION.text) // 3 + PASSAGES + 200


class Bench:
    def __init__(
        self, generator: Generator, retriever: ScriptedRetriever | None = None, *, slots: int = 8, **quotas: int
    ) -> None:
        self.clock = clock = ScriptedClock()
        self.tenant = Tenant("acme", tokens_per_minute=LIMIT, **quotas)  # type: ignore[arg-type]
        watch = StoreWatch(MemoryQuotas(clock), Unmetered())
        self.quotas = Quotas(Tenants({"acme": self.tenant}), watch, clock, meter=Unmetered(), new_id=lambda: "id")
        self.retriever = retriever or ScriptedRetriever([passage("It opens at seven.")])
        self.dispatch = one_pool(generator, clock, slots=slots)
        self.flow = Answering(
            self.retriever,
            self.dispatch,
            Templates(template_sources(None)),
            clock,
            quotas=self.quotas,
        )
        self.context = RequestContext("r", "acme", standing=Standing())

    @property
    def left(self) -> int:
        assert self.context.standing is not None and self.context.standing.tokens is not None
        return self.context.standing.tokens.remaining

    async def ask(self, question: Question = QUESTION) -> None:
        async with self.flow.answer(question, self.context) as events:
            assert self.left == LIMIT - RESERVED
            async for _ in events:
                pass


async def hold(bench: Bench, context: RequestContext) -> None:
    async with bench.flow.answer(QUESTION, context) as events:
        async for _ in events:
            pass


class Breaking:
    """Says this much, and then breaks off, or says nothing more for ever."""

    def __init__(self, said: int, fault: TandemError | None) -> None:
        self._said = said
        self._fault = fault

    async def card(self) -> ModelCard:
        return ModelCard("m", "scripted", 4096)

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        yield self._events()

    async def _events(self) -> AsyncIterator[GenerationEvent]:
        for _ in range(self._said):
            yield Token("word ")
        if self._fault is not None:
            raise self._fault
        await asyncio.Event().wait()


async def test_an_answer_is_charged_by_the_model_s_own_count() -> None:
    bench = Bench(ScriptedGenerator(["It opens ", "at seven [1]."]))
    await bench.ask()
    assert bench.left == LIMIT - 3


async def test_an_answer_that_never_began_costs_nothing() -> None:
    bench = Bench(Breaking(0, UpstreamUnavailable("away")))
    with pytest.raises(UpstreamUnavailable):
        await bench.ask()
    assert bench.left == LIMIT


async def test_an_answer_without_passages_costs_nothing() -> None:
    bench = Bench(ScriptedGenerator(["no"]), ScriptedRetriever())
    await bench.ask()
    assert bench.left == LIMIT


@pytest.mark.parametrize("said", [1, 40])
async def test_an_answer_that_breaks_off_costs_the_prompt_and_what_was_said(said: int) -> None:
    bench = Bench(Breaking(said, UpstreamUnavailable("away")))
    with contextlib.suppress(TandemError):
        await bench.ask()
    charged = LIMIT - bench.left
    # The template and one passage: far less than what was reserved for passages.
    assert said + 20 <= charged <= said + 600


async def test_who_leaves_pays_for_the_prompt_and_what_was_said() -> None:
    bench = Bench(Breaking(40, None))
    said = 0

    async def listen() -> None:
        nonlocal said
        async with bench.flow.answer(QUESTION, bench.context) as events:
            async for event in events:
                said += isinstance(event, Token)

    asking = asyncio.create_task(listen())
    while said < 40:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert 40 + 20 <= LIMIT - bench.left <= 40 + 600


async def test_over_the_quota_nothing_is_begun() -> None:
    bench = Bench(Breaking(1, None))
    holding = [asyncio.create_task(hold(bench, RequestContext("other", "acme"))) for _ in range(2)]
    while len(bench.retriever.asked) < 2:
        await asyncio.sleep(0)
    with pytest.raises(RateLimited) as refused:
        await bench.ask()
    assert refused.value.retry_after_s == pytest.approx((3 * RESERVED - LIMIT) * 60 / LIMIT)
    assert len(bench.retriever.asked) == 2
    assert sum(load.running for load in bench.dispatch.load()) == 2
    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)
    with pytest.raises(InvalidRequest, match="quota is 5000"):
        await bench.ask(Question("When?", sampling=Sampling(max_tokens=LIMIT)))


async def test_what_waits_in_the_background_keeps_no_tokens_from_those_who_ask() -> None:
    bench = Bench(Breaking(1, None), slots=1)
    asking = asyncio.create_task(hold(bench, bench.context))
    while not bench.retriever.asked:
        await asyncio.sleep(0)
    later = RequestContext("later", "acme", mode="async", standing=Standing())
    waiting = asyncio.create_task(hold(bench, later))
    while not bench.dispatch.load()[0].demand > 1:
        await asyncio.sleep(0)
    assert later.standing is not None and later.standing.tokens is None
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    while len(bench.retriever.asked) < 2:
        await asyncio.sleep(0)
    level = later.standing.tokens
    assert level is not None and level.remaining <= LIMIT - RESERVED
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_in_the_background_what_is_over_the_quota_frees_its_slot_at_once() -> None:
    bench = Bench(ScriptedGenerator(["no"]), slots=1)
    later = RequestContext("later", "acme", mode="async")
    async with bench.quotas.reserved(bench.tenant, LIMIT - RESERVED + 1, bench.context):
        with pytest.raises(RateLimited) as refused:
            await hold(bench, later)
        assert refused.value.retry_after_s == pytest.approx(60 / LIMIT)
        assert (bench.retriever.asked, bench.dispatch.load()[0].running) == ([], 0)
    await hold(bench, later)


async def test_an_answer_in_the_background_is_one_request_at_the_time_it_is_made() -> None:
    bench = Bench(ScriptedGenerator(["It opens ", "at seven [1]."]), requests_per_minute=2, concurrency=1)
    later = RequestContext("later", "acme", mode="async", standing=Standing())
    # Who asks now has all of the tenant's requests at the same time: the background takes what slots are left over.
    async with bench.quotas.request(bench.tenant, Standing()):
        await hold(bench, later)
    assert later.standing is not None and later.standing.tokens is not None
    left = later.standing.tokens.remaining
    with pytest.raises(RateLimited, match="requests per minute") as refused:
        await hold(bench, later)
    assert refused.value.retry_after_s == pytest.approx(30.0)
    assert later.standing.tokens.remaining == left
    bench.clock.advance(30.0)
    await hold(bench, later)


async def test_what_is_refused_for_its_tokens_is_no_request() -> None:
    bench = Bench(ScriptedGenerator(["It opens ", "at seven [1]."]), requests_per_minute=1)
    later = RequestContext("later", "acme", mode="async")
    async with bench.quotas.reserved(bench.tenant, LIMIT - RESERVED + 1, bench.context):
        with pytest.raises(RateLimited, match="tokens"):
            await hold(bench, later)
    await hold(bench, later)


async def test_a_request_that_somebody_waits_for_was_counted_at_the_door() -> None:
    bench = Bench(ScriptedGenerator(["It opens ", "at seven [1]."]), requests_per_minute=1)
    async with bench.quotas.request(bench.tenant, Standing()):
        await bench.ask()
