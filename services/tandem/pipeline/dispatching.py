"""From a request to a slot at one of the pools: policy, caps, queue, and the demand that autoscaling sees."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tandem.admission.turnstile import Claim, Turnstile
from tandem.domain.context import RequestContext
from tandem.domain.errors import Overloaded, ResidencyRefused, TandemError, UnknownModel
from tandem.domain.generation import ModelCard
from tandem.domain.lineage import base_of
from tandem.domain.tenants import Tenants
from tandem.generation.pools import Demand, PoolChoice, PoolView, conversation_key
from tandem.pipeline.admitted import Admitted
from tandem.pipeline.pool import Pool, Trying
from tandem.pipeline.traffic import PoolLoad, TrafficMeter
from tandem.pipeline.yielding import Unyielding, Yielding
from tandem.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is before any work is done for it. `opening` is the conversation's first message.

    Tokens are the most that prompt and answer may take; `model` a model's own name, None for any. `pools` are the only ones
    to ask, None for those that answer; `background`: nobody waits for it, so it gives way to whoever waits for an answer.
    """

    collection: str
    prompt_tokens: int
    answer_tokens: int
    opening: str = ""
    follows: bool = False
    model: str | None = None
    pools: frozenset[str] | None = None
    background: bool = False


class Dispatch:
    """All pools of this process, in the configured order. No other endpoint is ever called."""

    def __init__(
        self,
        pools: Sequence[Pool],
        clock: Clock,
        meter: TrafficMeter,
        trying: Trying,
        *,
        tenants: Tenants | None = None,
        collections: Mapping[str, frozenset[str] | None] | None = None,
    ) -> None:
        self._pools = {pool.policy.name: pool for pool in pools}
        self._answering = [pool for pool in pools if pool.policy.answers]
        self._choice = PoolChoice([pool.policy for pool in pools], clock)
        self._clock = clock
        self._meter = meter
        self._trying = trying
        self._tenants = tenants or Tenants()
        self._collections = collections or {}
        self._wanted: Counter[str] = Counter()

    async def models(self) -> list[ModelCard]:
        """The models that can be asked for, each once. Raises `UpstreamUnavailable` when none is known."""
        cards: dict[str, ModelCard] = {}
        failure: TandemError | None = None
        for pool in self._answering:
            try:
                card = await pool.model()
            except TandemError as error:
                failure = error
            else:
                cards.setdefault(card.id, card)
        if failure is not None and not cards:
            raise failure
        return list(cards.values())

    def allows(self, tenant: str, collection: str, pools: frozenset[str]) -> bool:
        """True when residency leaves one of these pools to the tenant's questions about the collection."""
        regions = self._collections.get(base_of(collection))
        return any(policy.name in pools for policy in self._choice.allowed(self._tenants.of(tenant), regions))

    @property
    def pools(self) -> tuple[str, ...]:
        """Their names, in the configured order."""
        return tuple(self._pools)

    def refusal(self, tenant: str) -> Overloaded | None:
        """What `admit` would raise at once, whatever is asked, because every queue is full for this tenant. Counted."""
        known = self._tenants.of(tenant)
        claim = Claim(known.name, known.weight, known.priority)
        full: list[tuple[str, Overloaded]] = []
        for policy in filter(lambda pool: pool.answers, self._choice.allowed(known)):
            refusal = self._pools[policy.name].turnstile.refusal(claim)
            if refusal is None:
                return None
            full.append((policy.name, refusal))
        for pool, _ in full:
            self._meter.refused(pool, "full")
        return min((refusal for _, refusal in full), key=lambda one: one.retry_after_s, default=None)

    @asynccontextmanager
    async def admit(self, asked: Asked, context: RequestContext) -> AsyncIterator[Admitted]:
        """Waits for a slot; leaving frees it.

        Raises `Overloaded` when every pool that may answer is full or spent, `ResidencyRefused` when policy allows
        none, `UpstreamUnavailable` when none is up, `UnknownModel`, and `DeadlineExceeded("queue")`; in the background
        `Preempted`, at any time until it has left: this task is cancelled for it.
        """
        demand = await self._demand(asked, context)
        try:
            choice = self._choice.choose(demand, self._views())
        except ResidencyRefused:
            self._meter.forbidden()
            raise
        wanted = choice.first_wanted
        yielding = Yielding() if asked.background else Unyielding()
        admitted = Admitted(
            [self._pools[name] for name in choice.pools],
            choice,
            self._choice,
            demand,
            context,
            self._trying,
            self._meter,
            self._clock,
            yielding,
        )
        self._trying.budget.earn()
        self._wanted[wanted] += 1
        try:
            with yielding:
                await admitted.enter()
                yield admitted
        finally:
            self._wanted[wanted] -= 1
            admitted.leave()

    @property
    def gates(self) -> Mapping[str, Turnstile]:
        """By the pools' names."""
        return {name: pool.turnstile for name, pool in self._pools.items()}

    def load(self) -> list[PoolLoad]:
        """How each pool is doing."""
        return [self._load(pool) for pool in self._pools.values()]

    async def _demand(self, asked: Asked, context: RequestContext) -> Demand:
        tenant = self._tenants.of(context.tenant)
        return Demand(
            tenant=tenant,
            prompt_tokens=asked.prompt_tokens,
            answer_tokens=asked.answer_tokens,
            # A version's passages may go where its collection's may.
            regions=self._collections.get(base_of(asked.collection)),
            conversation=conversation_key(tenant.name, asked.opening) if asked.opening else None,
            follows=asked.follows,
            pools=asked.pools if asked.model is None else await self._serving(asked.model),
            background=asked.background,
        )

    async def _serving(self, model: str) -> frozenset[str]:
        """The pools that serve it. While one is known to, nobody waits for a pool that never told."""
        names, _ = await self._told_by([pool for pool in self._answering if pool.known], model)
        if not names:
            names, failure = await self._told_by(self._answering, model)
            if failure is not None and not names:
                # One that cannot be asked may be the one that is meant.
                raise failure
        if not names:
            raise UnknownModel(f"There is no model {model[:100]!r} here.", hint="Ask for tandem.", param="model")
        return names

    @staticmethod
    async def _told_by(pools: Sequence[Pool], model: str) -> tuple[frozenset[str], TandemError | None]:
        names = set()
        failure: TandemError | None = None
        for pool in pools:
            try:
                if (await pool.model()).id == model:
                    names.add(pool.policy.name)
            except TandemError as error:
                failure = error
        return frozenset(names), failure

    def _views(self) -> dict[str, PoolView]:
        return {
            name: PoolView(
                pool.turnstile.expected_wait_s(),
                pool.endpoints.up and not pool.waking.asleep,
            )
            for name, pool in self._pools.items()
        }

    def _load(self, pool: Pool) -> PoolLoad:
        name = pool.policy.name
        tokens, cost = self._choice.spent_today(name)
        return PoolLoad(
            name,
            pool.turnstile.limit,
            pool.turnstile.running,
            pool.turnstile.waiting,
            pool.waking.held,
            self._wanted[name],
            tokens,
            cost,
            tuple(endpoint.breaker.state for endpoint in pool.endpoints.members),
            pool.turnstile.in_background,
        )
