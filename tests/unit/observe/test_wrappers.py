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
from tandem.domain.passage import Retrieval
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
