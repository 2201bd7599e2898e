"""Predictor pools of scripted servers: what is asked of them, and what they still hold."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tandem.adapters.scripted.generator import ScriptedGenerator
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.turnstile import Turnstile
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    TandemError,
    UpstreamUnavailable,
)
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.question import Message, Sampling
from tandem.generation.breaker import Breaker
from tandem.generation.endpoints import Endpoint, Endpoints
from tandem.generation.pools import PoolPolicy
from tandem.generation.retries import RetryBudget
from tandem.generation.waking import Waking
from tandem.pipeline.dispatching import Asked, Dispatch
from tandem.pipeline.pool import Pool, Trying

PROMPT = Prompt((Message("user", "hello"),), "answer@1")
CONTEXT = RequestContext("r", "acme")
ASKED = Asked("docs", prompt_tokens=10, answer_tokens=10)
AWAY = UpstreamUnavailable("refused")
CLOCK = SystemClock()


class Meter:
    """Remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.bills: list[tuple[str, Usage]] = []

    def entered(self, pool: str, reason: str, waited_s: float) -> None:
        assert waited_s >= 0
        self.told.append(("entered", pool, reason))

    def refused(self, pool: str, reason: str) -> None:
        self.told.append(("refused", pool, reason))

    def forbidden(self) -> None:
        self.told.append(("forbidden",))

    def retried(self, pool: str, reason: str) -> None:
        self.told.append(("retried", pool, reason))

    def spent(self, tenant: str, usage: Usage, cost: float) -> None:
        assert cost >= 0
        self.bills.append((tenant, usage))


class Server(ScriptedGenerator):
    """Fails as told, in this order, and then answers; an `asyncio.Event` is waited for before the first token."""

    def __init__(self, *failures: TandemError | asyncio.Event, up: bool = True, model: str = "m") -> None:
        super().__init__(["one ", "two"], card=ModelCard(model, "scripted", 4096))
        self.failures = list(failures)
        self.up = up
        self.asked = 0

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        self.asked += 1
        step = self.failures.pop(0) if self.failures else None
        if isinstance(step, TandemError):
            raise step
        async with super().stream(prompt, sampling, context) as events:
            if step is not None:
                await step.wait()
            yield events

    async def probe(self) -> None:
        if not self.up:
            raise AWAY


def pool(
    name: str,
    *servers: Server,
    slots: int = 4,
    waiting: int = 4,
    wake: int = 0,
    policy: PoolPolicy | None = None,
    breaker_failures: int = 5,
) -> Pool:
    endpoints = Endpoints(
        [Endpoint(one, Breaker(failures=breaker_failures, open_s=60, clock=CLOCK), one.probe) for one in servers]
    )
    limit = AdaptiveLimit(initial=slots, least=slots, most=slots, clock=CLOCK)
    return Pool(
        policy or PoolPolicy(name),
        endpoints,
        Turnstile(limit, max_waiting=waiting, max_wait_s=30, clock=CLOCK),
        Waking(most=wake, hold_s=5, probe_s=0.001, probe=endpoints.probe, clock=CLOCK),
    )


def dispatch(
    *pools: Pool, meter: Meter | None = None, budget: float = 1.0, idle_s: float | None = None, **more: object
) -> Dispatch:
    trying = Trying(RetryBudget(budget, CLOCK), 3, 0.0, idle_s, lambda: 0.0)
    return Dispatch(pools, CLOCK, meter or Meter(), trying, **more)  # type: ignore[arg-type]


async def told(to: Dispatch, asked: Asked = ASKED, context: RequestContext = CONTEXT) -> tuple[str, str, int]:
    """Text, pool, servers asked."""
    async with to.admit(asked, context) as admitted, admitted.stream(PROMPT, Sampling()) as events:
        text = ""
        async for event in events:
            if isinstance(event, Token):
                text += event.text
            else:
                assert isinstance(event, Finished)
                admitted.used(event.usage)
        return text, admitted.route.pool, admitted.route.attempts


def idle(*pools: Pool) -> bool:
    return all(
        not one.turnstile.running and not one.turnstile.waiting and not any(e.running for e in one.endpoints.members)
        for one in pools
    )
