"""One request at its pool: it holds a slot, asks a server, and goes on to another while nothing was said yet."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from tandem.admission.claim import Claim
from tandem.admission.slot import Slot
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    TandemError,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import GenerationEvent, ModelCard, Prompt, Usage
from tandem.domain.question import Sampling
from tandem.domain.route import Route
from tandem.generation.endpoints import Endpoint
from tandem.generation.pools import Choice, Demand, PoolChoice, Spend
from tandem.generation.retries import pause_s
from tandem.pipeline.asking import Asking, Stream
from tandem.pipeline.pool import Pool, Trying
from tandem.pipeline.traffic import TrafficMeter
from tandem.pipeline.yielding import Unyielding, Yielding
from tandem.ports.clock import Clock

# A server that says "later" for longer than this is not waited for.
_LONGEST_RETRY_AFTER_S = 2.0


class Admitted:
    """A request that may run. Leaving the context it came from frees its slot and settles what it reserved.

    `cost` and `spent` are what it took, over all pools, once it has left; `card` is the model last asked about.
    """

    __slots__ = ("_ahead", "_answering", "_aside", "_attempts", "_clock", "_context", "_demand", "_estimate", "_held_for_waking", "_meter", "_pool", "_prices", "_reason", "_slot", "_spend", "_trying", "_usage", "_yielding", "card", "cost", "spent")  # fmt: skip

    def __init__(
        self,
        pools: Sequence[Pool],
        choice: Choice,
        prices: PoolChoice,
        demand: Demand,
        context: RequestContext,
        trying: Trying,
        meter: TrafficMeter,
        clock: Clock,
        yielding: Yielding | Unyielding,
    ) -> None:
        self._ahead = list(pools)
        self._reason = choice.reason
        self._prices = prices
        self._demand = demand
        self._context = context
        self._trying = trying
        self._meter = meter
        self._clock = clock
        self._yielding = yielding
        self._attempts = 0
        self._held_for_waking = False
        self._usage: Usage | None = None
        self._estimate: Usage | None = None
        self._aside = Usage(0, 0)
        self._answering: Endpoint | None = None
        self._pool: Pool
        self._slot: Slot | None = None
        self._spend: Spend | None = None
        self.card: ModelCard | None = None
        self.cost = 0.0
        self.spent: Usage | None = None

    @property
    def route(self) -> Route:
        """The way so far."""
        policy, regions = self._pool.policy, self._demand.allowed_regions
        return Route(policy.name, policy.region, self._reason, max(1, self._attempts), regions)

    async def model(self) -> ModelCard:
        """The model of the server that answers, before there is one that of the pool that it is at."""
        self.card = await self._pool.model(self._answering)
        return self.card

    def used(self, usage: Usage) -> None:
        """What the answer took, by the model's own count."""
        self._usage = usage

    def charge(self, usage: Usage | None) -> None:
        """What an answer took that did not end, by an estimate; nothing when its end told."""
        self._estimate = usage

    def aside(self, usage: Usage) -> None:
        """What was streamed last was something else than the answer; it is paid for beside it."""
        known = self._aside
        self._aside = Usage(
            known.prompt_tokens + usage.prompt_tokens, known.completion_tokens + usage.completion_tokens
        )
        self._usage = None

    async def enter(self) -> None:
        """A slot at the first pool that has one in time. Raises what the last one raised."""
        while True:
            pool = self._ahead.pop(0)
            try:
                slot = await self._enter(pool)
            except (Overloaded, UpstreamUnavailable) as error:
                reason = _why(error)
                self._meter.refused(pool.policy.name, reason)
                if not self._ahead:
                    raise
                self._reason = reason
            else:
                self._meter.entered(pool.policy.name, self._reason, slot.waited_s)
                return

    def leave(self) -> None:
        """Frees the slot, settles the caps. Once it has left, nothing more happens."""
        slot, self._slot = self._slot, None
        spend, self._spend = self._spend, None
        if spend is not None:
            self.spent = self._spent()
            cost = spend.settle(self.spent)
            self.cost += cost
            if self.spent is not None:
                self._meter.spent(self._demand.tenant.name, self.spent, cost)
            # Another pool pays for what it does itself.
            self._aside = Usage(0, 0)
        if slot is not None:
            slot.free()

    @asynccontextmanager
    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """As `ports/generator.py` says, from the first server that speaks. One stream at a time; each is tried anew."""
        self._attempts = 0
        self._held_for_waking = False
        async with await self._first(prompt, sampling) as asking:
            try:
                yield asking.events
            except (UpstreamFailed, UpstreamUnavailable):
                asking.attempt.failed()
                raise
            if self._usage is not None:
                asking.attempt.succeeded()

    def _spent(self) -> Usage | None:
        answer = self._usage or self._estimate
        if not self._aside.total_tokens:
            return answer
        told = answer or Usage(0, 0)
        return Usage(
            told.prompt_tokens + self._aside.prompt_tokens, told.completion_tokens + self._aside.completion_tokens
        )

    async def _enter(self, pool: Pool) -> Slot:
        await pool.waking.awake(self._context)
        if not pool.endpoints.up:
            raise pool.broken()
        tenant, background = self._demand.tenant, self._demand.background
        claim = Claim(tenant.name, tenant.weight, tenant.priority, background)
        self._slot = slot = await pool.turnstile.take(claim, self._context)
        if background:
            slot.when_recalled(partial(self._give_way, pool.policy.name))
        try:
            self._spend = self._prices.reserve(pool.policy.name, self._demand)
        finally:
            if self._spend is None:
                self.leave()
        self._pool, self._answering = pool, None
        return slot

    def _give_way(self, pool: str) -> None:
        self._meter.refused(pool, "preempted")
        self._yielding.wanted()

    async def _first(self, prompt: Prompt, sampling: Sampling) -> Asking:
        """A server that has said something."""
        tried: list[Endpoint] = []
        while True:
            endpoint = self._pool.endpoints.pick(tried)
            try:
                if endpoint is None:
                    raise self._pool.broken()
                self._attempts += 1
                idle_s = None if self._alone(endpoint, tried) else self._trying.idle_s
                stream = endpoint.generator.stream(prompt, sampling, self._context)
                asking = await self._asked(endpoint, stream, idle_s)
            except (Overloaded, UpstreamUnavailable, UpstreamFailed) as error:
                if endpoint is not None:
                    tried.append(endpoint)
                await self._again(error, tried)
            else:
                self._answering = endpoint
                return asking

    async def _asked(self, endpoint: Endpoint, stream: Stream, idle_s: float | None) -> Asking:
        """The events from the first one on. Tells breaker and limit how it went."""
        slot = self._taken()
        slot.asked()
        asking = Asking(endpoint, stream)
        try:
            await self._begin(asking, slot, idle_s)
        finally:
            if not asking.begun:
                asking.left()
        slot.first_token()
        asking.attempt.spoke()
        self._pool.waking.woke()
        return asking

    @staticmethod
    async def _begin(asking: Asking, slot: Slot, idle_s: float | None) -> None:
        try:
            async with asyncio.timeout(idle_s):
                await asking.begin()
        except TimeoutError as error:
            asking.attempt.failed()
            raise UpstreamUnavailable("The predictor sent no token in time.", stage="generation") from error
        except StopAsyncIteration as error:
            asking.attempt.failed()
            raise UpstreamFailed("The model's answer ended without an end.") from error
        except (UpstreamUnavailable, UpstreamFailed):
            asking.attempt.failed()
            raise
        except Overloaded:
            # Back-pressure of a healthy server, not a failure.
            slot.pushed_back()
            raise
        except InvalidRequest:
            asking.attempt.succeeded()
            raise
        except (DeadlineExceeded, asyncio.CancelledError):
            if slot.silent:
                asking.attempt.silent()
            raise

    def _taken(self) -> Slot:
        if self._slot is None:
            raise RuntimeError("a stream needs a slot")
        return self._slot

    async def _again(self, error: Overloaded | UpstreamUnavailable | UpstreamFailed, tried: list[Endpoint]) -> None:
        """Gets ready for another try, or raises `error`: another server, then another pool, then the same once more."""
        elsewhere = self._pool.endpoints.pick(tried) is not None
        asleep = isinstance(error, UpstreamUnavailable) and not elsewhere and self._pool.waking.slept()
        if asleep and not self._ahead and not self._held_for_waking:
            # Paced by the probe rather than by the budget: a pool that wakes has nothing else to do.
            self._held_for_waking = True
            await self._pool.waking.awake(self._context)
            tried.clear()
            return
        if self._attempts >= self._trying.attempts:
            raise error
        wait_s = pause_s(self._attempts, base_s=self._trying.backoff_s, random=self._trying.random)
        if isinstance(error, UpstreamFailed) and not (error.elsewhere and (elsewhere or self._ahead)):
            raise error
        if not elsewhere and not self._ahead:
            if not isinstance(error, UpstreamFailed):
                wait_s = max(wait_s, error.retry_after_s or 0.0)
            if wait_s > _LONGEST_RETRY_AFTER_S or not self._pool.endpoints.up:
                raise error
        if not self._in_time(wait_s) or not self._trying.budget.spend():
            self._meter.retried(self._pool.policy.name, "refused")
            raise error
        self._meter.retried(self._pool.policy.name, error.code)
        await asyncio.sleep(wait_s)
        if not elsewhere:
            tried.clear()
            if self._ahead:
                await self._move(error)

    async def _move(self, error: TandemError) -> None:
        """On to the next pool, whose slot is waited for after this one's is free."""
        self.leave()
        self._reason = "failed"
        try:
            await self.enter()
        except TandemError as failure:
            raise failure from error

    def _alone(self, endpoint: Endpoint, tried: Sequence[Endpoint]) -> bool:
        """True when a server that stays silent is still the best there is."""
        last = self._attempts >= self._trying.attempts
        return last or (self._pool.endpoints.pick([*tried, endpoint]) is None and not self._ahead)

    def _in_time(self, wait_s: float) -> bool:
        deadline_s = self._context.deadline_s
        return deadline_s is None or self._clock.monotonic_s() + wait_s < deadline_s


def _why(error: Overloaded | UpstreamUnavailable) -> str:
    """Why a pool did not take a request, in the words of `tandem.route`."""
    if isinstance(error, UpstreamUnavailable):
        return "down"
    return "cap" if error.spent else "full"
