"""Which pool answers: in the configured order, where policy allows it, past what is full, broken or spent."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from tandem.domain.errors import Overloaded, ResidencyRefused
from tandem.domain.generation import Usage
from tandem.domain.tenants import Tenant
from tandem.ports.clock import Clock

_STICKY_S = 600.0
_STICKY_MOST = 20_000
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """What is configured for one pool. Waits are seconds, costs are per token, windows are UTC, None means no cap.

    Without `answers` it is only there for whoever names it.
    """

    name: str
    region: str = "default"
    input_cost: float = 0.0
    output_cost: float = 0.0
    spill_wait_s: float = 2.0
    return_wait_s: float = 0.5
    hold_s: float = 10.0
    closed: tuple[tuple[time, time], ...] = ()
    tokens_per_day: int | None = None
    cost_per_day: float | None = None
    answers: bool = True

    def cost(self, prompt_tokens: int, answer_tokens: int) -> float:
        """What so many tokens cost here."""
        return prompt_tokens * self.input_cost + answer_tokens * self.output_cost


@dataclass(frozen=True, slots=True)
class PoolView:
    """How a pool is doing now: the wait a new request can expect, and whether any endpoint takes requests."""

    expected_wait_s: float
    up: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of the pools: for whom, over which data, how much.

    Tokens are the most that may be used; `regions` is the collection's residency (None: anywhere); `conversation` names
    what it belongs to, and `follows` says that it is not its first turn; `pools` are those that serve the wanted model.
    `background`: nobody waits for it.
    """

    tenant: Tenant
    prompt_tokens: int
    answer_tokens: int
    regions: frozenset[str] | None = None
    conversation: str | None = None
    follows: bool = False
    pools: frozenset[str] | None = None
    background: bool = False

    @property
    def allowed_regions(self) -> tuple[str, ...] | None:
        """The regions that both policies allow, None for anywhere."""
        policies = [policy for policy in (self.tenant.regions, self.regions) if policy is not None]
        return tuple(sorted(frozenset.intersection(*policies))) if policies else None


@dataclass(frozen=True, slots=True)
class Choice:
    """Pools in the order to try, and why the first one is first: `preferred`, `sticky` or the reason of the spill.

    `first_wanted` is the pool that would have been taken with room to spare: its demand it is.
    """

    pools: tuple[str, ...]
    reason: str
    first_wanted: str


class PoolChoice:
    """The state of spilling, of conversations and of the day's spending over all pools.

    A pool is left when the expected wait passes `spill_wait_s`, no endpoint is up, its window is closed or a cap is
    spent, and taken again once the wait is below `return_wait_s` and `hold_s` have passed: the gap and the hold keep
    traffic from flapping. Residency is asked first and never relaxed.
    """

    def __init__(self, pools: Sequence[PoolPolicy], clock: Clock) -> None:
        self._pools = tuple(pools)
        self._clock = clock
        # Since when, and why, a pool is passed.
        self._spilling: dict[str, tuple[float, str]] = {}
        self._spent = {pool.name: _Spending() for pool in pools}
        self._conversations: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def allowed(self, tenant: Tenant, regions: frozenset[str] | None = None) -> tuple[PoolPolicy, ...]:
        """The pools whose region both the tenant's and the collection's policy name; all of them without a policy."""
        return tuple(
            pool
            for pool in self._pools
            if all(policy is None or pool.region in policy for policy in (tenant.regions, regions))
        )

    def choose(self, demand: Demand, views: Mapping[str, PoolView]) -> Choice:
        """Where to go. Raises `ResidencyRefused` when policy allows no pool, `Overloaded` when all caps are spent."""
        allowed = self.allowed(demand.tenant, demand.regions)
        if not allowed:
            raise ResidencyRefused(
                "The residency policy allows none of the configured pools.",
                hint="Ask the operator for a pool in an allowed region, or for another collection.",
            )
        served = [pool for pool in allowed if (pool.answers if demand.pools is None else pool.name in demand.pools)]
        if not served:
            raise ResidencyRefused(
                "The residency policy allows no pool that serves this model.", hint="Ask for the model tandem."
            )
        affordable = [pool for pool in served if self._affords(pool, demand)]
        if not affordable:
            raise self._all_spent()
        return self._ordered(demand, served, affordable, views)

    def reserve(self, pool: str, demand: Demand) -> "Spend":
        """Counts the most that the request may cost against the pool's caps, until it is settled: there it is answered.

        Raises `Overloaded` when others spent the cap while it waited for a slot.
        """
        policy = next(one for one in self._pools if one.name == pool)
        if not self._affords(policy, demand):
            raise self._all_spent()
        self._remember(demand, pool)
        spending = self._today(pool)
        tokens, cost = _price(policy, demand.prompt_tokens, demand.answer_tokens)
        spending.tokens += tokens
        spending.cost += cost
        return Spend(policy, spending, tokens, cost)

    def spent_today(self, pool: str) -> tuple[int, float]:
        """Tokens and cost since midnight UTC, running requests at their most."""
        spending = self._today(pool)
        return spending.tokens, spending.cost

    def _ordered(
        self,
        demand: Demand,
        served: Sequence[PoolPolicy],
        affordable: Sequence[PoolPolicy],
        views: Mapping[str, PoolView],
    ) -> Choice:
        passed = {pool.name: self._passed(pool, views[pool.name]) for pool in affordable}
        free = [name for name, why in passed.items() if why is None]
        # When all are passed, the one that is up with the shortest wait is still the best place to queue.
        rest = sorted(
            (name for name, why in passed.items() if why is not None),
            key=lambda name: (not views[name].up, passed[name] == "schedule", views[name].expected_wait_s),
        )
        order = [*free, *rest]
        first = served[0].name
        reason = "preferred" if order[0] == first else passed.get(first, "cap") or "preferred"
        kept = self._kept(demand, passed, views)
        if kept is not None and kept != order[0]:
            order, reason = [kept, *(name for name in order if name != kept)], "sticky"
        return Choice(tuple(order), reason, first)

    def _passed(self, pool: PoolPolicy, view: PoolView) -> str | None:
        """Why this pool is passed now, None when it is not; keeps the state of its spilling."""
        now_s = self._clock.monotonic_s()
        if self._closed(pool):
            return "schedule"
        since_s, why = self._spilling.get(pool.name, (now_s, None))
        if not view.up:
            since_s, why = now_s, "down"
        elif why is None:
            why = "queue_wait" if view.expected_wait_s > pool.spill_wait_s else None
        elif view.expected_wait_s > pool.return_wait_s:
            why = "queue_wait"
        elif now_s - since_s >= pool.hold_s:
            why = None
        if why is None:
            self._spilling.pop(pool.name, None)
        else:
            self._spilling[pool.name] = since_s, why
        return why

    def _closed(self, pool: PoolPolicy) -> bool:
        now = datetime.fromtimestamp(self._clock.epoch_s(), UTC).time()
        return any(start <= now < end if start < end else (now >= start or now < end) for start, end in pool.closed)

    def _affords(self, pool: PoolPolicy, demand: Demand) -> bool:
        spending = self._today(pool.name)
        tokens, cost = _price(pool, demand.prompt_tokens, demand.answer_tokens)
        within_tokens = pool.tokens_per_day is None or spending.tokens + tokens <= pool.tokens_per_day
        return within_tokens and (pool.cost_per_day is None or spending.cost + cost <= pool.cost_per_day)

    def _today(self, pool: str) -> "_Spending":
        day = int(self._clock.epoch_s() // _DAY_S)
        if self._spent[pool].day != day:
            # A new object: what still runs from yesterday settles with yesterday's.
            self._spent[pool] = _Spending(day)
        return self._spent[pool]

    def _all_spent(self) -> Overloaded:
        until_midnight_s = _DAY_S - self._clock.epoch_s() % _DAY_S
        error = Overloaded("The daily cap of every pool that may answer is spent.", retry_after_s=until_midnight_s)
        error.spent = True
        return error

    def _kept(self, demand: Demand, passed: Mapping[str, str | None], views: Mapping[str, PoolView]) -> str | None:
        """The pool that has this conversation's prefix in its cache, while it is up and not full."""
        if demand.conversation is None or not demand.follows:
            return None
        pool, until_s = self._conversations.get(demand.conversation, ("", 0.0))
        if pool not in passed or until_s <= self._clock.monotonic_s() or passed[pool] in {"down", "schedule"}:
            return None
        policy = next(one for one in self._pools if one.name == pool)
        return pool if views[pool].expected_wait_s <= policy.spill_wait_s else None

    def _remember(self, demand: Demand, pool: str) -> None:
        if demand.conversation is None:
            return
        self._conversations[demand.conversation] = (pool, self._clock.monotonic_s() + _STICKY_S)
        self._conversations.move_to_end(demand.conversation)
        if len(self._conversations) > _STICKY_MOST:
            self._conversations.popitem(last=False)


@dataclass(slots=True)
class _Spending:
    day: int = -1
    tokens: int = 0
    cost: float = 0.0


class Spend:
    """One request's reservation against a pool's caps."""

    __slots__ = ("_cost", "_policy", "_spending", "_tokens")

    def __init__(self, policy: PoolPolicy, spending: _Spending, tokens: int, cost: float) -> None:
        self._policy = policy
        self._spending = spending
        self._tokens = tokens
        self._cost = cost

    def settle(self, usage: Usage | None) -> float:
        """What was used in truth, None for nothing; returns its cost. Again settling changes what was settled."""
        tokens, cost = _price(self._policy, usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0.0)
        self._spending.tokens += tokens - self._tokens
        self._spending.cost += cost - self._cost
        self._tokens, self._cost = tokens, cost
        return cost


def conversation_key(tenant: str, first_message: str) -> str:
    """A conversation by what it began with: OpenAI's API carries no id, and every turn repeats the first one."""
    return hashlib.sha256(f"{tenant}\0{first_message}".encode()).hexdigest()[:32]


def _price(pool: PoolPolicy, prompt_tokens: int, answer_tokens: int) -> tuple[int, float]:
    return prompt_tokens + answer_tokens, pool.cost(prompt_tokens, answer_tokens)
