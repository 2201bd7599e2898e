"""Jobs as a part of a process: taken in, answered, and told of, where there is a place for them."""

import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import orjson
from fastapi import APIRouter

from tandem.app.answerers import Answerers
from tandem.app.batched import batch_pods, batch_routers, moving_on
from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.jobs import secret_of
from tandem.app.naming import own_name
from tandem.app.settings import Settings
from tandem.app.surface import Surface
from tandem.app.traffic import tenants
from tandem.domain.job import BATCHES, Job
from tandem.http.routers.chat import ALIAS
from tandem.http.routers.jobs import jobs_router
from tandem.http.wire.jobs import completion_of, question_of, wire_notice
from tandem.observe.jobs import JobMetrics, watch_depth
from tandem.observe.metrics import Metrics
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.jobs.attempt import Attempting
from tandem.pipeline.jobs.delivering import Delivering, Patience
from tandem.pipeline.jobs.desk import DeskRules, JobDesk
from tandem.pipeline.jobs.following import Following
from tandem.pipeline.jobs.running import Runner, RunnerPolicy
from tandem.pipeline.jobs.unkept import UNKEPT_JOBS
from tandem.ports.state import Stores
from tandem.ports.webhook import Webhooks

Work = Coroutine[Any, Any, None]


@asynccontextmanager
async def queued(
    settings: Settings, front: Surface, behind: Answerers, queues: Sequence[str]
) -> AsyncIterator[Sequence[APIRouter]]:
    """New jobs of these queues are begun until the process drains. Left, what runs has gone back to its queue."""
    if not settings.jobs.enabled:
        yield ()
        return
    clock, stores, metrics = SystemClock(), behind.keeping.stores, front.metrics
    policies = tenants(settings.tenants, settings.default_tenant)

    def weight_of(tenant: str) -> float:
        return policies.of(tenant).weight

    def welcome() -> bool:
        return not front.lifecycle.leaving

    runner = runner_of(settings, behind, metrics, queues, welcome=welcome)
    following = Following(stores.jobs, lambda: not welcome())
    desk = JobDesk(
        stores.jobs,
        stores.deliveries,
        clock,
        DeskRules(settings.jobs.max_waiting, callbacks=settings.jobs.webhooks.secret is not None),
        weight_of,
        following,
        runner.ring,
    )
    router = jobs_router(
        desk,
        collection=settings.retrieval.collection,
        alias=ALIAS,
        clock=clock,
        keep_alive_s=settings.server.stream_keep_alive_s,
    )
    routers = [router, *batch_routers(settings, stores, weight_of)]
    if stores.jobs is UNKEPT_JOBS:
        # Asked for, they say what is missing.
        yield routers
        return
    async with _webhooks(settings) as webhooks, AsyncExitStack() as stack:
        pods = await stack.enter_async_context(batch_pods(settings)) if BATCHES in queues else None
        # Behind what may fail: work that is never begun would be complained of, too.
        works: list[Work] = [following.run(), watch_depth(stores.jobs, stores.batches, metrics)]
        if queues:
            works.append(runner.run())
        if pods is not None:
            works.append(moving_on(settings, stores, runner.ring, pods))
        if webhooks is not None:
            works.append(_delivering(settings, stores, webhooks).run())
        async with beside(works):
            yield routers


def runner_of(
    settings: Settings, behind: Answerers, metrics: Metrics, queues: Sequence[str], *, welcome: Callable[[], bool]
) -> Runner:
    """Who answers what waits in these queues, while that is `welcome`."""
    stores = behind.keeping.stores
    chosen, clock = settings.jobs, SystemClock()
    attempting = Attempting(
        stores.jobs,
        behind.answering,
        partial(question_of, collection=settings.retrieval.collection, alias=ALIAS),
        completion_of,
        clock,
        AttemptPolicy(most=chosen.max_attempts, timeout_s=chosen.timeout_s),
        JobMetrics(metrics),
        # Jitter needs no secrecy.
        random.random,
        lambda: uuid4().hex,
    )
    policy = RunnerPolicy(chosen.concurrency, chosen.lease_s, queues=queues)
    return Runner(stores.jobs, attempting, clock, policy, worker=own_name(), welcome=welcome)


def _delivering(settings: Settings, stores: Stores, webhooks: Webhooks) -> Delivering:
    chosen = settings.jobs.webhooks
    patience = Patience(attempts=chosen.attempts, timeout_s=chosen.timeout_s)
    return Delivering(stores.deliveries, webhooks, _told, SystemClock(), random.random, patience)


@asynccontextmanager
async def _webhooks(settings: Settings) -> AsyncIterator[Webhooks | None]:
    chosen = settings.jobs.webhooks
    if chosen.secret is None:
        yield None
        return
    from tandem.adapters.webhooks.sender import webhook_sender

    secret: Callable[[str], bytes] = partial(secret_of, chosen)
    async with webhook_sender(
        secret, SystemClock(), timeout_s=chosen.timeout_s, allow_private=chosen.allow_private
    ) as sender:
        yield sender


def _told(job: Job) -> bytes:
    """As Standard Webhooks has payloads: type, time, data."""
    told = wire_notice(job).model_dump(mode="json")
    return orjson.dumps({"type": f"job.{job.status}", "timestamp": job.ended_at, "data": told})
