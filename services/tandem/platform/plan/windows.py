"""A day by a few windows: minutes that are alike are simulated once, in a smaller deployment with the same load on each part.

Requests are spread over replicas by chance, and each gateway has its own queue: whether there are eight replicas or eight hundred
makes no difference to one of them, as long as its share of the requests stays the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tandem.platform.plan.servers import Place
from tandem.platform.plan.simulate import Outcome, Window, simulate
from tandem.platform.plan.traffic import Floats, Traffic

_REPLICAS = 8
_GATEWAYS = 2
# What a provider's endpoint is asked at most, in one window.
_API_RATE = 20.0
# Below that nobody meets anybody, and the clock would run for years.
_LEAST_RATE = 1e-3
_GROUPS = 4
_TIGHTEST = 0.02
REQUESTS = 1200


@dataclass(frozen=True, slots=True)
class Deployment:
    """What serves for a while: how many gateways, and the pools. `together`: each gateway has its own replica."""

    gateways: int
    places: tuple[Place, ...]
    together: bool = False

    @property
    def replicas(self) -> int:
        """Of all pools."""
        return sum(place.replicas for place in self.places)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Minutes of the day that are alike: how many, their rate, and what served then."""

    minutes: int
    rate: float
    replicas: int
    gateways: int

    @property
    def requests(self) -> float:
        """Asked in all of them."""
        return self.minutes * 60 * self.rate


@dataclass(slots=True)
class Lab:
    """Runs windows, each once. `requests` of one: more take longer and tell more."""

    traffic: Traffic
    requests: int = REQUESTS
    seed: int = 1
    runs: int = 0
    _known: dict[object, Outcome] = field(default_factory=dict)

    def at(self, rate: float, deployment: Deployment) -> Outcome:
        """What becomes of an even rate."""
        window = self._window(*scaled(rate, deployment))
        key = (round(window.rate, 6), window.gateways, window.places, window.together, window.requests)
        if key not in self._known:
            self.runs += 1
            self._known[key] = simulate(window)
        return self._known[key]

    def _window(self, asked: float, deployment: Deployment) -> Window:
        # Batches turn over a few times, whatever their size.
        slots = sum(place.replicas * place.times.slots for place in deployment.places if place.times)
        count = max(self.requests, min(5 * self.requests, 4 * slots))
        rate = max(asked, _LEAST_RATE)
        return Window(self.traffic, rate, deployment.gateways, deployment.places, deployment.together, count, self.seed)


def scaled(rate: float, deployment: Deployment) -> tuple[float, Deployment]:
    """The same in small: at most eight replicas, each with the load it had; pools that wait for no GPU take the same part."""
    replicas = deployment.replicas
    if not replicas:
        asked = min(rate, _API_RATE)
        return asked, replace(deployment, gateways=max(1, round(deployment.gateways * asked / rate)) if rate else 1)
    few = _few(deployment.places, replicas)
    if few == replicas:
        return rate, deployment
    share = few / replicas
    places = tuple(replace(place, replicas=round(place.replicas * share)) for place in deployment.places)
    gateways = few if deployment.together else max(1, min(_GATEWAYS, round(deployment.gateways * share)))
    if not deployment.together:
        # Fewer gateways have to let in what more of them did.
        initial = deployment.gateways * share / gateways
        places = tuple(
            replace(place, initial=max(1, math.ceil(place.initial * initial)), most=max(1, round(place.most * initial)))
            for place in places
        )
    return rate * share, Deployment(gateways, places, deployment.together)


def _few(places: Sequence[Place], replicas: int) -> int:
    """Of one pool eight; several keep their proportion as they are."""
    pools = [place for place in places if place.replicas]
    return min(replicas, _REPLICAS) if len(pools) == 1 else replicas


def stretches(traffic: Traffic, replicas: Floats, gateways: Floats) -> list[Stretch]:
    """A day in a few of them, by the load of a replica; the tightest minutes are one of their own."""
    rates = traffic.minutes()
    load = rates / np.maximum(replicas, 1)
    asked = np.flatnonzero(rates > 0)
    order = asked[np.argsort(load[asked], kind="stable")]
    tight = max(1, round(_TIGHTEST * len(order)))
    groups = [*np.array_split(order[:-tight], _GROUPS), order[-tight:]]
    found = []
    for group in groups:
        if not len(group):
            continue
        # Minutes of few replicas are not mixed with those of many.
        edges = np.minimum(2, np.floor(np.log2(np.maximum(replicas[group], 1)) / 1.5))
        for edge in np.unique(edges):
            alike = group[edges == edge]
            many = max(1, round(float(replicas[alike].mean())))
            rate = float(load[alike].mean() * many)
            # As much is asked as in truth, although the mean replica is a whole one.
            minutes = len(alike)
            found.append(
                Stretch(minutes, rate, many if replicas[alike].any() else 0, round(float(gateways[alike].mean())) or 1)
            )
    return found
