"""Texts to embed count in the tenant's tokens: reserved before, by what was read after."""

import asyncio
from collections.abc import Sequence
from itertools import count

import pytest

from tandem.adapters.quotas.memory import MemoryQuotas
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.admission.quotas import Quotas
from tandem.admission.store_watch import StoreWatch
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, RateLimited, UpstreamUnavailable
from tandem.domain.quota import Standing
from tandem.domain.tenants import Tenant, Tenants
from tandem.observe.metrics import Metrics
from tandem.pipeline.text_vectors import text_vectors
from tandem.ports.embedder import DenseVector, Embedder, EmbedKind

TEXTS = ["green tea", "black coffee, hot"]


def quotas(per_minute: int | None) -> Quotas:
    clock, metrics, ids = ScriptedClock(), Metrics("0", "test"), count()
    tenants = Tenants({"acme": Tenant("acme", tokens_per_minute=per_minute)})
    watch = StoreWatch(MemoryQuotas(clock), metrics)
    return Quotas(tenants, watch, clock, meter=metrics, new_id=lambda: str(next(ids)))


def context() -> RequestContext:
    return RequestContext("r", "acme", standing=Standing())


def left(asked: RequestContext) -> int:
    assert asked.standing is not None
    assert asked.standing.tokens is not None
    return asked.standing.tokens.remaining


class Broken(HashingEmbedder):
    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        raise UpstreamUnavailable("away")


class Hanging(HashingEmbedder):
    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_what_was_read_is_charged() -> None:
    asked = context()
    found = await text_vectors(HashingEmbedder(), TEXTS, quotas(100), asked)
    assert (len(found.vectors), found.tokens, left(asked)) == (2, 6, 94)


@pytest.mark.parametrize("per_minute", [None, 8])
async def test_without_a_quota_or_at_its_edge_it_is_served(per_minute: int | None) -> None:
    assert (await text_vectors(HashingEmbedder(), TEXTS, quotas(per_minute), context())).tokens == 6
    assert (await text_vectors(HashingEmbedder(), TEXTS, None, context())).tokens == 6


async def test_nothing_is_read_over_the_quota() -> None:
    counted = quotas(10)
    await text_vectors(HashingEmbedder(), TEXTS, counted, context())
    with pytest.raises(RateLimited):
        await text_vectors(Broken(), TEXTS, counted, context())


async def test_more_than_a_minute_holds_names_the_input() -> None:
    with pytest.raises(InvalidRequest) as caught:
        await text_vectors(HashingEmbedder(), ["tea " * 100], quotas(10), context())
    assert caught.value.param == "input"


async def test_a_text_costs_no_more_than_the_model_reads() -> None:
    embedder: Embedder = HashingEmbedder()
    asked = context()
    await text_vectors(embedder, ["tea " * 100_000], quotas(embedder.card.max_tokens), asked)
    assert left(asked) == 0


async def test_a_model_that_failed_costs_nothing() -> None:
    asked = context()
    with pytest.raises(UpstreamUnavailable):
        await text_vectors(Broken(), TEXTS, quotas(100), asked)
    assert left(asked) == 100


async def test_who_leaves_has_used_what_was_reserved() -> None:
    asked = context()
    work = asyncio.ensure_future(text_vectors(Hanging(), TEXTS, quotas(100), asked))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert left(asked) == 92
