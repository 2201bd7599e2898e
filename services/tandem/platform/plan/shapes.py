"""The five shapes of a deployment over a day: what serves at each minute, how it answers, what it costs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from tandem.generation.pools import PoolPolicy
from tandem.platform.plan.costs import MONTH_S, Cost, cost_of, fleet_cost
from tandem.platform.plan.engines import Fit
from tandem.platform.plan.figures import Figures, merged
from tandem.platform.plan.objectives import RESIDENCY, why_missed
from tandem.platform.plan.prices import Book
from tandem.platform.plan.scaling import (
    Rule,
    demand_of,
    gateways_by_minute,
    replicas_by_minute,
    sleeping,
)
from tandem.platform.plan.servers import MOST_AT_ONCE, Place
from tandem.platform.plan.simulate import Outcome
from tandem.platform.plan.sizing import Capacity, capacity, engines, gateways_for, gpu_place
from tandem.platform.plan.traffic import HOURS, Floats, Traffic
from tandem.platform.plan.windows import Deployment, Lab, Stretch, stretches

MONOLITH, MICROSERVICES, ONPREM, CLOUD, HYBRID = "monolith", "microservices", "on-prem", "cloud", "hybrid"
SHAPES = (MONOLITH, MICROSERVICES, ONPREM, CLOUD, HYBRID)
LEAST_GATEWAYS = 2
_API_AT_ONCE = 128
_TRIES = 4
_RATIO = 4
# The autoscaler is asked that much sooner while answers are late.
_SOONER = 0.92
# Numbers of own replicas that are looked at.
_BASELINES = 40
MINUTES = HOURS * 60


@dataclass(frozen=True, slots=True)
class Shape:
    """One of them. `unfit` says why it cannot be taken, if so.

    `replicas` and `gateways` are by minute; `owned` of the replicas are one's own. `demand` is what one replica is scaled for.
    """

    name: str
    told: str
    figures: Figures
    cost: Cost
    replicas: Floats
    gateways: Floats
    owned: int = 0
    demand: int | None = None
    unfit: str | None = None
    api_share: float = 0.0

    @property
    def most_replicas(self) -> int:
        """At the busiest minute."""
        return int(self.replicas.max())


@dataclass(slots=True)
class Ground:
    """What all shapes stand on. Capacities are found when they are first needed."""

    book: Book
    traffic: Traffic
    fit: Fit
    lab: Lab
    _capacities: dict[bool, Capacity] = field(default_factory=dict)

    def capacity(self, *, together: bool) -> Capacity:
        """Of a replica with the gateway beside it, or on its own."""
        if together not in self._capacities:
            self._capacities[together] = capacity(self.lab, self.fit, together=together)
        return self._capacities[together]

    def spill(self) -> tuple[float, float]:
        """When requests leave the first pool, and when they come back: well before a first token is late."""
        wait_s = min(2.0, self.traffic.slo.first_token_p99_s / 6)
        return wait_s, wait_s / 4

    def token_cost(self) -> float | None:
        """What a provider takes for one answer; None when the book knows none that has the model."""
        prices = self.book.token_prices(self.traffic.model)
        if prices is None:
            return None
        return self.traffic.prompt_tokens.mean * prices[0] + self.traffic.answer_tokens.mean * prices[1]


def shapes(ground: Ground, wanted: Collection[str], tell: Callable[[str], None]) -> list[Shape]:
    """Those that are wanted and can be reckoned: without a provider's price there is neither cloud nor hybrid."""
    made: Mapping[str, Callable[[Ground], Shape]] = {
        MONOLITH: lambda one: _rented(one, together=True),
        MICROSERVICES: lambda one: _rented(one, together=False),
        ONPREM: _onprem,
        **({CLOUD: _cloud, HYBRID: _hybrid} if ground.token_cost() is not None else {}),
    }
    found = []
    for name, make in made.items():
        if name not in wanted:
            continue
        tell(name)
        found.append(make(ground))
    return found


def _rented(ground: Ground, *, together: bool) -> Shape:
    """GPUs by the hour, as many as the autoscaler asks for; when a step in load comes too fast for it, it is asked sooner."""
    traffic, fit = ground.traffic, ground.fit
    able = ground.capacity(together=together)
    region, least = traffic.regions.cloud, traffic.least_replicas
    name = MONOLITH if together else MICROSERVICES
    policy = PoolPolicy("default", region=region)
    share = 1.0
    while True:
        demand = _demand_per_replica(traffic, fit, able, share)
        most = max(1, int(np.ceil(_RATIO * traffic.peak / max(able.rate, able.most / _RATIO))))
        ready, paid = replicas_by_minute(traffic, fit.times, Rule(demand, 1, most, fit.times.start_s))
        gateways = ready if together else gateways_by_minute(traffic, LEAST_GATEWAYS)
        found = _played(ground, ready, gateways, lambda r, g: engines(fit, r, g, policy, together=together))
        sleeps = None if together or least else sleeping(traffic, fit.times.start_s)
        if sleeps is not None:
            found.append(_woken(traffic, sleeps.delayed, fit.times.start_s, ready))
            paid = np.where(ready <= 1, paid * sleeps.paid, paid)
        figures = merged(found)
        unfit = why_missed(traffic, figures, region)
        if unfit is None or unfit.startswith(RESIDENCY) or share < 0.6 or not able.rate:
            break
        share *= _SOONER
    gpus = float(paid.mean()) * fit.gpus
    cost = cost_of(ground.book, traffic, figures.used, gpus=gpus, gateways=0.0 if together else float(gateways.mean()))
    told = (
        "gateway and model on each GPU machine" if together else "CPU pool and GPU pool, each scaled by its own signal"
    )
    return Shape(name, told, figures, cost, ready, gateways, demand=demand, unfit=unfit)


def _onprem(ground: Ground) -> Shape:
    """Own machines for the busiest hour, there all day."""
    traffic, fit = ground.traffic, ground.fit
    able = ground.capacity(together=False)
    policy = PoolPolicy("default", region=traffic.regions.onprem)
    count = max(1, int(np.ceil(traffic.peak / (able.rate or able.most))))
    found = _grown(ground, count, lambda r, g: engines(fit, r, g, policy), (traffic.regions.onprem,))
    told = "own machines, as many as the busiest hour takes"
    return _owning(ground, ONPREM, told, found)


def _cloud(ground: Ground) -> Shape:
    """No GPUs: a provider's endpoint, by the token."""
    traffic = ground.traffic
    gateways = gateways_by_minute(traffic, LEAST_GATEWAYS)
    none = np.zeros(len(gateways))
    place = _api_place(ground)
    found = _played(ground, none, gateways, lambda _, g: Deployment(g, (place,)))
    figures = merged(found, place.policy.name)
    cost = cost_of(
        ground.book,
        traffic,
        1.0,
        gateways=float(gateways.mean()),
        api=(ground.token_cost() or 0.0) * _answered(figures),
    )
    told = "gateways on rented CPUs, answers from a provider by the token"
    unfit = why_missed(traffic, figures, traffic.regions.api)
    return Shape(CLOUD, told, figures, cost, none, gateways, unfit=unfit, api_share=1.0)


def _hybrid(ground: Ground) -> Shape:
    """Own machines for what is always there, a provider for what spills."""
    traffic, fit = ground.traffic, ground.fit
    wait_s, back_s = ground.spill()
    near = PoolPolicy("onprem", region=traffic.regions.onprem, spill_wait_s=wait_s, return_wait_s=back_s)
    far = _api_place(ground)
    each = _demand_per_replica(traffic, fit, ground.capacity(together=False), 1.0)
    found = _grown(
        ground,
        baseline(ground, traffic),
        lambda r, g: Deployment(g, (gpu_place(fit, r, g, near, each=each), far)),
        (traffic.regions.onprem, traffic.regions.api),
        far.policy.name,
    )
    told = "own machines for the baseline, a provider for what spills"
    return _owning(ground, HYBRID, told, found, demand=each)


@dataclass(frozen=True, slots=True)
class _Grown:
    """As many own replicas as it took, or as were tried."""

    count: int
    gateways: int
    figures: Figures
    unfit: str | None


def _grown(
    ground: Ground,
    count: int,
    deployed: Callable[[int, int], Deployment],
    regions: tuple[str, ...],
    overflow: str | None = None,
) -> _Grown:
    """A tenth more of them as long as answers are late, a few times."""
    traffic = ground.traffic
    gateways = gateways_for(traffic, traffic.peak, least=LEAST_GATEWAYS)
    tries = _TRIES if ground.capacity(together=False).rate else 1
    while True:
        minutes = np.ones(MINUTES)
        figures = merged(_played(ground, minutes * count, minutes * gateways, deployed), overflow)
        unfit = why_missed(traffic, figures, *regions)
        tries -= 1
        if unfit is None or unfit.startswith(RESIDENCY) or not tries:
            return _Grown(count, gateways, figures, unfit)
        count += max(1, count // 10)


def _owning(ground: Ground, name: str, told: str, found: _Grown, *, demand: int | None = None) -> Shape:
    figures, minutes = found.figures, np.ones(MINUTES)
    api = (ground.token_cost() or 0.0) * figures.overflow_share * _answered(figures)
    owned = float(found.count * ground.fit.gpus)
    cost = cost_of(
        ground.book,
        ground.traffic,
        figures.used,
        owned_gpus=owned,
        gateways=float(found.gateways),
        api=api,
        owned=True,
    )
    return Shape(
        name,
        told,
        figures,
        cost,
        minutes * found.count,
        minutes * found.gateways,
        owned=found.count,
        demand=demand,
        unfit=found.unfit,
        api_share=figures.overflow_share,
    )


def baseline(ground: Ground, traffic: Traffic) -> int:
    """The cheapest number of own replicas beside a provider, and no fewer than those requests need that may not leave."""
    able = ground.capacity(together=False)
    rate = able.rate or able.most
    rates = traffic.minutes()
    most = max(1, int(np.ceil(traffic.peak / rate)))
    staying = 1 - traffic.allowed(traffic.regions.api)
    least = max(1, min(most, int(np.ceil(staying * traffic.peak / rate))))
    counts = np.unique(np.linspace(least, most, min(_BASELINES, most - least + 1)).round().astype(int))
    spilled = np.array([np.maximum(0.0, rates - count * rate).mean() for count in counts])
    owned = np.array([fleet_cost(ground.book, traffic, int(count) * ground.fit.gpus, owned=True) for count in counts])
    costs = owned + spilled * MONTH_S * (ground.token_cost() or 0.0)
    return int(counts[int(np.argmin(costs))])


def _played(
    ground: Ground, replicas: Floats, gateways: Floats, deployed: Callable[[int, int], Deployment]
) -> list[tuple[Stretch, Outcome]]:
    return [
        (stretch, ground.lab.at(stretch.rate, deployed(stretch.replicas, stretch.gateways)))
        for stretch in stretches(ground.traffic, replicas, gateways)
    ]


def _woken(traffic: Traffic, delayed: Floats, start_s: float, ready: Floats) -> tuple[Stretch, Outcome]:
    """Those that waited for a sleeping model, as a stretch of their own: they come evenly while it starts."""
    rates = np.where(ready <= 1, traffic.minutes() * delayed, 0.0)
    waits = list(np.linspace(0.0, start_s, 101))
    outcome = Outcome(asked=len(waits), first_s=waits, whole_s=waits)
    return Stretch(len(rates), float(rates.mean()), 0, 1), outcome


def _demand_per_replica(traffic: Traffic, fit: Fit, able: Capacity, share: float) -> int:
    rate = (able.rate or able.most / 2) * share
    return max(1, int(demand_of(rate, 1, fit.times, traffic)))


def _api_place(ground: Ground) -> Place:
    prices = ground.book.token_prices(ground.traffic.model) or (0.0, 0.0)
    policy = PoolPolicy("cloud", region=ground.traffic.regions.api, input_cost=prices[0], output_cost=prices[1])
    return Place(policy, _API_AT_ONCE, MOST_AT_ONCE, api=ground.book.api)


def _answered(figures: Figures) -> float:
    """Of all requests, who got an answer."""
    return (1 - figures.forbidden_share) * (1 - figures.refused_share)
