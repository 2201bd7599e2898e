"""The predictor pools of a process, from their settings to the dispatch that requests go through."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tandem.admission.limit import AdaptiveLimit
from tandem.admission.turnstile import Turnstile
from tandem.app import parts
from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.lineages import PoolLineage
from tandem.app.parts import Opener
from tandem.app.settings import Settings
from tandem.app.traffic import Admission, ModelPolicy, tenants
from tandem.app.traffic import Pool as PoolSettings
from tandem.domain.generation import ModelCard
from tandem.generation.breaker import Breaker
from tandem.generation.endpoints import Endpoint, Endpoints
from tandem.generation.pools import PoolPolicy
from tandem.generation.retries import RetryBudget
from tandem.generation.waking import Waking
from tandem.pipeline.dispatching import Dispatch
from tandem.pipeline.pool import Pool, Trying
from tandem.pipeline.traffic import TrafficMeter
from tandem.ports.embedder import Embedder
from tandem.ports.generator import Generator, Server

_PER_MILLION = 1e-6
# Until a pool that never told what it serves is asked again.
_ASK_AGAIN_S = 5.0


@asynccontextmanager
async def dispatch(
    settings: Settings,
    dense: Opener[Embedder],
    meter: TrafficMeter,
    measured: Callable[[Generator], Generator],
) -> AsyncIterator[Dispatch]:
    """All pools, and beside them what looks for servers that are away or never told. `measured` wraps each server."""
    async with parts.predictors(settings, dense) as described:
        lineages = [PoolLineage(pool.lineage, pool.model, serves=pool.answers) for pool, _ in described]
        for lineage in lineages:
            await lineage.read()
        pools = [
            _pool(settings, pool, servers, measured, lineage)
            for (pool, servers), lineage in zip(described, lineages, strict=True)
        ]
        watching = [work for pool in pools for work in (pool.waking.watch(), pool.learn(_ASK_AGAIN_S))]
        watching += [lineage.watch() for lineage in lineages]
        async with beside(watching):
            yield Dispatch(
                pools,
                SystemClock(),
                meter,
                _trying(settings),
                tenants=tenants(settings.tenants, settings.default_tenant),
                collections={name: policy.regions for name, policy in settings.collections.items()},
            )


def _trying(settings: Settings) -> Trying:
    chosen = settings.resilience
    return Trying(
        RetryBudget(chosen.retry_share, SystemClock()),
        chosen.max_attempts,
        chosen.backoff_s,
        chosen.failover_idle_s,
        # Jitter needs no secrecy.
        random.random,
    )


def _pool(
    settings: Settings,
    described: PoolSettings,
    servers: list[Server],
    measured: Callable[[Generator], Generator],
    lineage: PoolLineage,
) -> Pool:
    clock, chosen = SystemClock(), settings.resilience
    endpoints = Endpoints(
        [
            Endpoint(
                measured(server),
                Breaker(failures=chosen.breaker_failures, open_s=chosen.breaker_open_s, clock=clock),
                server.probe,
            )
            for server in servers
        ]
    )
    waking = Waking(
        # Only a declared model is known while its servers are away.
        most=0 if described.model is None else chosen.wake_hold,
        hold_s=chosen.wake_s,
        probe_s=chosen.wake_probe_s,
        probe=endpoints.probe,
        clock=clock,
    )
    turnstile = _turnstile(described.admission)
    return Pool(pool_policy(described), endpoints, turnstile, waking, _card(described.model), lineage.of)


def pool_policy(described: PoolSettings) -> PoolPolicy:
    """What is configured for it, in the domain's units."""
    spill, caps = described.spill, described.caps
    return PoolPolicy(
        name=described.name,
        region=described.region,
        input_cost=described.input_cost_per_million * _PER_MILLION,
        output_cost=described.output_cost_per_million * _PER_MILLION,
        spill_wait_s=spill.queue_wait_s,
        return_wait_s=spill.return_wait_s,
        hold_s=spill.hold_s,
        closed=tuple((window.start, window.end) for window in spill.schedule),
        tokens_per_day=caps.tokens_per_day,
        cost_per_day=caps.cost_per_day,
        answers=described.answers,
    )


def _turnstile(chosen: Admission) -> Turnstile:
    clock = SystemClock()
    limit = AdaptiveLimit(
        initial=chosen.initial,
        least=chosen.min,
        most=chosen.max,
        clock=clock,
        tolerance=chosen.tolerance,
        slack_s=chosen.slack_s,
    )
    return Turnstile(limit, max_waiting=chosen.max_waiting, max_wait_s=chosen.max_wait_s, clock=clock)


def _card(declared: ModelPolicy | None) -> ModelCard | None:
    if declared is None:
        return None
    return ModelCard(declared.id, declared.engine, declared.context_tokens, declared.revision)
