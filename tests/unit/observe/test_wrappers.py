"""Wrapped ports answer as before, and are counted however they end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakes.answers import CARD, FOUND, OneRetrieval
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.ingestor import ScriptedIngestor
from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, Overloaded, UnknownCollection, UpstreamFailed
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.passage import Provenance, Retrieval, StageTime
from tandem.domain.question import RetrievalOptions, Sampling
from tandem.observe.features import CountedDegradation, MeasuredIngestor, MeasuredRetriever
from tandem.observe.generator import MeasuredGenerator
from tandem.observe.metrics import Metrics

CONTEXT = RequestContext("r")
ASK = (Prompt((), "answer@1"), Sampling(), CONTEXT)


class Steps:
    """A generator that plays events, or raises."""

    def __init__(self, *steps: Any, entering: Exception | None = None) -> None:
        self._steps = steps
        self._entering = entering

    async def card(self) -> ModelCard:
        return CARD

    @asynccontextmanager
    async def stream(self, *_: object) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        if self._entering:
            raise self._entering
        yield self._play()

    async def _play(self) -> AsyncIterator[GenerationEvent]:
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield step


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1", "test")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_a_generation_is_counted(metrics: Metrics) -> None:
    script = (Token("a"), Token("b"), Finished("stop", Usage(7, 2)))
    measured = MeasuredGenerator(Steps(*script), metrics)
    assert await measured.card() is CARD
    async with measured.stream(*ASK) as events:
        assert [event async for event in events] == list(script)
    assert value(metrics, "tandem_generation_seconds_count") == 1
    assert value(metrics, "tandem_generation_first_token_seconds_count") == 1
    assert value(metrics, "tandem_generation_tokens_total", kind="prompt") == 7
    assert value(metrics, "tandem_generation_tokens_total", kind="completion") == 2


async def test_the_pace_of_an_answer_is_one_value_and_models_are_named_as_opentelemetry_wants(metrics: Metrics) -> None:
    clock = ScriptedClock()
    measured = MeasuredGenerator(Paced(clock), metrics, clock.monotonic_s)
    await measured.card()
    async with measured.stream(*ASK) as events:
        assert len([event async for event in events]) == 5
    assert value(metrics, "tandem_inter_token_seconds_count") == 1
    assert value(metrics, "tandem_inter_token_seconds_sum") == pytest.approx(0.5)
    named = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": CARD.engine.lower(),
        "gen_ai_request_model": CARD.id,
        "gen_ai_response_model": CARD.id,
    }
    assert value(metrics, "gen_ai_client_operation_time_to_first_chunk_seconds_sum", **named) == 2
    assert value(metrics, "gen_ai_client_operation_duration_seconds_sum", **named, error_type="") == 3.5
    assert value(metrics, "gen_ai_client_token_usage_sum", **named, gen_ai_token_type="output") == 4


class Paced(Steps):
    """Two seconds to the first token, half a second to each other."""

    def __init__(self, clock: ScriptedClock) -> None:
        super().__init__()
        self._clock = clock

    async def _play(self) -> AsyncIterator[GenerationEvent]:
        for number in range(4):
            self._clock.advance(2 if number == 0 else 0.5)
            yield Token("a")
        yield Finished("stop", Usage(7, 4))


async def test_stages_and_relevance_of_a_retrieval_are_measured(metrics: Metrics) -> None:
    inner = OneRetrieval()
    stages = (StageTime("search", 0, 0.02), StageTime("search", 0.1, 0.03), StageTime("of another release", 0, 1))
    inner.result = Retrieval((), 0.25, provenance=Provenance(stages=stages))
    await MeasuredRetriever(inner, metrics).retrieve("q", RetrievalOptions(), CONTEXT)
    assert value(metrics, "tandem_retrieval_stage_seconds_count", stage="search") == 2
    assert value(metrics, "tandem_retrieval_stage_seconds_count", stage="other") == 1
    assert value(metrics, "tandem_retrieval_relevance_sum") == 0.25
    assert value(metrics, "tandem_retrieval_passages_count") == 1


@pytest.mark.parametrize(
    "inner", [Steps(entering=Overloaded("full")), Steps(Overloaded("full")), Steps(Token("a"), Overloaded("full"))]
)
async def test_a_failed_generation_is_counted_as_one(metrics: Metrics, inner: Steps) -> None:
    with pytest.raises(Overloaded):  # noqa: PT012 - it may fail at any of them
        async with MeasuredGenerator(inner, metrics).stream(*ASK) as events:
            async for _ in events:
                pass
    assert value(metrics, "tandem_generation_failures_total", code="overloaded") == 1


async def test_retrievals_are_counted(metrics: Metrics) -> None:
    inner = OneRetrieval()
    measured = MeasuredRetriever(inner, metrics)
    assert await measured.retrieve("q", RetrievalOptions(), CONTEXT) is FOUND.retrieval
    inner.result = Retrieval((), 0.0, suspicious=2)
    await measured.retrieve("q", RetrievalOptions(), CONTEXT)
    assert value(metrics, "tandem_suspicious_passages_total") == 2
    inner.result = UnknownCollection("none")
    with pytest.raises(UnknownCollection):
        await measured.retrieve("q", RetrievalOptions(), CONTEXT)
    assert value(metrics, "tandem_retrieval_seconds_count") == 3
    assert value(metrics, "tandem_retrieval_failures_total", code="collection_not_found") == 1


async def test_documents_are_counted_by_what_became_of_them(metrics: Metrics) -> None:
    inner = ScriptedIngestor({"bad": UpstreamFailed("x")})
    clock = ScriptedClock()
    measured = MeasuredIngestor(inner, metrics, clock)
    document = RawDocument("a", b"x", "a", changed_at=clock.epoch_s() - 7.0)
    for _ in range(2):
        await measured.put("docs", document, CONTEXT)
    with pytest.raises(DocumentRejected):
        await measured.put("docs", RawDocument("b", b"", "b"), CONTEXT)
    with pytest.raises(UpstreamFailed):
        await measured.put("docs", RawDocument("bad", b"x", "b"), CONTEXT)
    counted = {
        s: value(metrics, "tandem_documents_total", status=s) for s in ("added", "unchanged", "document_rejected")
    }
    assert counted == {"added": 1, "unchanged": 1, "document_rejected": 1}
    assert value(metrics, "tandem_ingest_freshness_seconds_count") == 1
    assert value(metrics, "tandem_ingest_freshness_seconds_sum") == 7.0
    assert (await measured.document("docs", "a", CONTEXT)).record.id == "a"
    assert len((await measured.documents("docs", CONTEXT, limit=3)).records) == 1
    assert [info.name for info in await measured.collections(CONTEXT)] == ["docs"]
    await measured.settle("docs")
    assert await measured.delete("docs", "a", CONTEXT)
    await measured.drop_collection("docs", CONTEXT)
    assert inner.settled == ["docs"]
    assert await measured.collections(CONTEXT) == []


async def test_what_a_retrieval_did_without_is_counted_by_words_that_are_known(metrics: Metrics) -> None:
    for degraded in (("rerank_skipped",), ("rerank_skipped", "dense_failed"), (), ("something_of_tomorrow",)):
        counted = CountedDegradation(OneRetrieval(Retrieval((), 0.0, degraded)), metrics)
        assert (await counted.retrieve("q", RetrievalOptions(), CONTEXT)).degraded == degraded
    counts = {
        what: value(metrics, "tandem_degraded_total", what=what) for what in ("rerank_skipped", "dense_failed", "other")
    }
    assert counts == {"rerank_skipped": 2, "dense_failed": 1, "other": 1}
