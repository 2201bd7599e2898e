"""A few minutes of traffic in virtual time, through the gateway's own dispatch: limits, queues, spill rules and retries are
the shipped ones, only the models and the clock are not.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from tandem.adapters.scripted.virtual_time import LoopClock, at_once
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.turnstile import Turnstile
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded, ResidencyRefused, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import Finished, Prompt, Usage
from tandem.domain.question import Sampling
from tandem.domain.tenants import Tenants
from tandem.generation.breaker import Breaker
from tandem.generation.endpoints import Endpoint, Endpoints
from tandem.generation.retries import RetryBudget
from tandem.generation.waking import Waking
from tandem.pipeline.dispatching import Asked, Dispatch
from tandem.pipeline.pool import Pool, Trying
from tandem.platform.plan.arrivals import Arrivals, drawn
from tandem.platform.plan.replica import Replica
from tandem.platform.plan.servers import Place, Servers
from tandem.platform.plan.traffic import Traffic

_PROMPT = Prompt((), "plan@1")
_SAMPLING = Sampling()
# The defaults of tandem.yaml's `resilience` and `admission`.
_RETRY_SHARE, _ATTEMPTS, _BACKOFF_S = 0.1, 3, 0.05
_BREAKER_FAILURES, _BREAKER_OPEN_S = 5, 5.0
MAX_WAITING, MAX_WAIT_S = 256, 10.0
_ROUND_S = 1e-6


@dataclass(frozen=True, slots=True)
class Window:
    """What is simulated: an even rate on a deployment that does not change meanwhile.

    `together`: each gateway has the replica of its own machine and no other, and its business logic holds that one up.
    """

    traffic: Traffic
    rate: float
    gateways: int
    places: tuple[Place, ...]
    together: bool = False
    requests: int = 1500
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """Of what arrived after the warm-up; every request is in one of the counts. `at` is by pool; seconds are arrays.

    `busy` and `used` are shares of the replicas' time: anything ran, and what would have taken it with all slots taken.
    `duration_s` ends with the last arrival, `ended_s` is when the last of them was gone.
    """

    asked: int = 0
    refused: int = 0
    late: int = 0
    forbidden: int = 0
    failed: int = 0
    first_s: list[float] = field(default_factory=list)
    whole_s: list[float] = field(default_factory=list)
    at: Counter[str] = field(default_factory=Counter)
    busy: float = 0.0
    used: float = 0.0
    demand: float = 0.0
    duration_s: float = 0.0
    ended_s: float = 0.0

    @property
    def answered(self) -> int:
        """Whole answers in time."""
        return len(self.whole_s)

    @property
    def refused_share(self) -> float:
        """Whoever got no answer in time, of all whom residency lets ask."""
        asked = self.asked - self.forbidden
        return 1 - self.answered / asked if asked else 0.0


class _Unmetered:
    """`TrafficMeter` that nobody reads."""

    def entered(self, pool: str, reason: str, waited_s: float) -> None:
        """Not counted."""

    def refused(self, pool: str, reason: str) -> None:
        """Not counted."""

    def forbidden(self) -> None:
        """Not counted."""

    def retried(self, pool: str, reason: str) -> None:
        """Not counted."""

    def spent(self, tenant: str, usage: Usage, cost: float) -> None:
        """Not counted."""


class _Gateway:
    """One gateway process: its dispatch, and its CPU, which does one request's business logic at a time."""

    def __init__(self, dispatch: Dispatch, window: Window, beside: Replica | None) -> None:
        self.dispatch = dispatch
        self._loop = asyncio.get_running_loop()
        self._free_s = 0.0
        self._latency_s = window.traffic.gateway.latency_s
        self._blocking = window.traffic.gateway.blocking
        self._beside = beside

    async def work(self, cpu_s: float) -> None:
        """Retrieval and prompt: the CPU in turn, then what others are waited for."""
        now_s = self._loop.time()
        begins_s = max(now_s, self._free_s)
        self._free_s = begins_s + cpu_s
        if self._beside is not None and self._blocking and cpu_s:
            self._loop.call_at(begins_s, self._beside.hold, self._blocking)
            self._loop.call_at(self._free_s, self._beside.release, self._blocking)
        await asyncio.sleep(self._free_s - now_s + self._latency_s)


def simulate(window: Window, measured: Arrivals | None = None) -> Outcome:
    """What becomes of its requests. The same window gives the same outcome. `measured`: arrivals that were, instead of drawn
    ones; the first of them met a deployment that was empty, so all are counted.
    """
    return at_once(_simulated(window, measured))


async def _simulated(window: Window, measured: Arrivals | None) -> Outcome:
    loop = asyncio.get_running_loop()
    arrivals = measured or drawn(window.traffic, window.rate, window.requests, window.seed)
    chance = random.Random(window.seed)  # noqa: S311 - a simulation
    pools = {
        place.policy.name: [Replica(place.times, loop) for _ in range(place.replicas)] if place.times else []
        for place in window.places
    }
    gateways = [_gateway(window, number, pools, arrivals, chance) for number in range(window.gateways)]
    everybody = [replica for replicas in pools.values() for replica in replicas]
    ends_s = float(arrivals.at_s[-1])
    # Long enough for limits and batches to settle.
    counts_from_s = 0.0 if measured else ends_s / 3
    outcome = Outcome(duration_s=ends_s - counts_from_s)
    marks: list[tuple[float, float]] = []
    present = _Present(loop)

    def mark() -> None:
        for replica in everybody:
            replica.turn()
        marks.append((sum(one.use.busy_s for one in everybody), sum(one.use.used_s for one in everybody)))
        present.mark()

    loop.call_at(counts_from_s, mark)
    loop.call_at(ends_s, mark)
    async with asyncio.TaskGroup() as tasks:
        for number in range(len(arrivals.at_s)):
            await asyncio.sleep(float(arrivals.at_s[number]) - loop.time())
            counted = outcome if arrivals.at_s[number] >= counts_from_s else Outcome()
            gateway = gateways[int(arrivals.gateways[number] * len(gateways))]
            tasks.create_task(_asked(gateway, number, arrivals, window.traffic.timeout_s, counted, present))
        await asyncio.sleep(max(0.0, ends_s - loop.time()) + _ROUND_S)
    outcome.ended_s = loop.time()
    if everybody:
        paid_s = outcome.duration_s * len(everybody)
        outcome.busy, outcome.used = ((marks[1][index] - marks[0][index]) / paid_s for index in (0, 1))
    outcome.demand = present.mean
    return outcome


class _Present:
    """How many requests are there, on average between the two marks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._count = 0
        self._area = self._at_s = 0.0
        self._marks: list[tuple[float, float]] = []

    def add(self, count: int) -> None:
        """So many more, or fewer."""
        now_s = self._loop.time()
        self._area += self._count * (now_s - self._at_s)
        self._at_s = now_s
        self._count += count

    def mark(self) -> None:
        """The mean begins or ends here."""
        self.add(0)
        self._marks.append((self._at_s, self._area))

    @property
    def mean(self) -> float:
        """Between the marks."""
        (from_s, before), (to_s, after) = self._marks
        return (after - before) / (to_s - from_s) if to_s > from_s else 0.0


async def _asked(
    gateway: _Gateway, number: int, arrivals: Arrivals, timeout_s: float, outcome: Outcome, present: _Present
) -> None:
    loop = asyncio.get_running_loop()
    arrived_s = loop.time()
    context = RequestContext(str(number), arrivals.tenants[number], arrived_s + timeout_s)
    asked = Asked("docs", int(arrivals.prompts[number]), int(arrivals.answers[number]))
    outcome.asked += 1
    present.add(1)
    try:
        async with gateway.dispatch.admit(asked, context) as admitted:
            await gateway.work(float(arrivals.cpu_s[number]))
            async with admitted.stream(_PROMPT, _SAMPLING) as events:
                first_s = 0.0
                async for event in events:
                    if isinstance(event, Finished):
                        admitted.used(event.usage)
                    else:
                        first_s = loop.time() - arrived_s
            pool = admitted.route.pool
    except ResidencyRefused:
        outcome.forbidden += 1
    except Overloaded:
        outcome.refused += 1
    except DeadlineExceeded:
        outcome.late += 1
    except (UpstreamUnavailable, UpstreamFailed):
        outcome.failed += 1
    else:
        outcome.first_s.append(first_s)
        outcome.whole_s.append(loop.time() - arrived_s)
        outcome.at[pool] += 1
    finally:
        present.add(-1)


def _gateway(
    window: Window, number: int, pools: dict[str, list[Replica]], arrivals: Arrivals, chance: random.Random
) -> _Gateway:
    clock = LoopClock()
    own = next(iter(pools.values()))[number] if window.together else None
    made = []
    for place in window.places:
        replicas = [own] if own is not None else pools[place.policy.name]
        made.append(_pool(place, Servers(place, replicas, arrivals, chance), clock))
    trying = Trying(RetryBudget(_RETRY_SHARE, clock), _ATTEMPTS, _BACKOFF_S, None, chance.random)
    tenants = Tenants({tenant.name: tenant for tenant, _ in window.traffic.shares()})
    return _Gateway(Dispatch(made, clock, _Unmetered(), trying, tenants=tenants), window, own)


def _pool(place: Place, servers: Servers, clock: LoopClock) -> Pool:
    limit = AdaptiveLimit(initial=min(place.initial, place.most), least=1, most=place.most, clock=clock)
    breaker = Breaker(failures=_BREAKER_FAILURES, open_s=_BREAKER_OPEN_S, clock=clock)
    endpoints = Endpoints([Endpoint(servers, breaker, servers.probe)])
    return Pool(
        place.policy,
        endpoints,
        Turnstile(limit, max_waiting=MAX_WAITING, max_wait_s=MAX_WAIT_S, clock=clock),
        Waking(most=0, hold_s=1, probe_s=1, probe=endpoints.probe, clock=clock),
    )
