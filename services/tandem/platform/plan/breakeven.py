"""Where one shape becomes cheaper than another: the same day, asked less or more."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tandem.platform.plan.costs import MONTH_S, cost_of
from tandem.platform.plan.shapes import (
    CLOUD,
    HYBRID,
    LEAST_GATEWAYS,
    MICROSERVICES,
    MONOLITH,
    ONPREM,
    Ground,
    baseline,
)
from tandem.platform.plan.sizing import gateways_for
from tandem.platform.plan.traffic import Traffic

_SCALES = np.geomspace(0.02, 50, 69)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From `requests_per_second` in the busiest hour on, `above` is cheaper; below it is `below`."""

    below: str
    above: str
    requests_per_second: float
    times: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A shape's cost a month at each of the rates of the busiest hour."""

    name: str
    rates: tuple[float, ...]
    costs: tuple[float, ...]


def curves(ground: Ground, names: list[str]) -> list[Curve]:
    """By what a replica is able to do, without queues and autoscaling's delays: whole machines make them rise in steps."""
    rates = tuple(float(scale * ground.traffic.peak) for scale in _SCALES)
    return [
        Curve(name, rates, tuple(_cost(ground, ground.traffic.scaled(float(scale)), name) for scale in _SCALES))
        for name in names
    ]


def crossings(found: list[Curve], peak: float) -> list[BreakEven]:
    """The last rate at which two shapes change places: from there on it stays so, up to fifty times as much."""
    points = []
    for one, other in combinations(found, 2):
        differences = np.array(one.costs) - np.array(other.costs)
        changes = np.flatnonzero(np.sign(differences[:-1]) * np.sign(differences[1:]) < 0)
        if not len(changes):
            continue
        at = int(changes[-1])
        low, high = differences[at], differences[at + 1]
        rate = float(
            np.exp(np.interp(0.0, sorted((low, high)), np.log(one.rates[at : at + 2])[:: 1 if low < high else -1]))
        )
        below, above = (one.name, other.name) if high > 0 else (other.name, one.name)
        points.append(BreakEven(below, above, rate, rate / peak))
    return sorted(points, key=lambda point: point.requests_per_second)


def _cost(ground: Ground, traffic: Traffic, name: str) -> float:
    book, gpus = ground.book, ground.fit.gpus
    able = ground.capacity(together=name == MONOLITH)
    rate = able.rate or able.most
    rates = traffic.minutes()
    needed = np.maximum(1, np.ceil(rates / rate))
    gateways = np.maximum(LEAST_GATEWAYS, np.ceil(rates / traffic.gateway.requests_per_second)).mean()
    at_peak = float(gateways_for(traffic, traffic.peak, least=LEAST_GATEWAYS))
    token_cost = ground.token_cost() or 0.0
    if name == MONOLITH:
        return cost_of(book, traffic, 1.0, gpus=float(needed.mean()) * gpus).total
    if name == MICROSERVICES:
        return cost_of(book, traffic, 1.0, gpus=float(needed.mean()) * gpus, gateways=float(gateways)).total
    if name == ONPREM:
        return cost_of(book, traffic, 1.0, owned_gpus=float(needed.max()) * gpus, gateways=at_peak, owned=True).total
    if name == CLOUD:
        return cost_of(book, traffic, 1.0, gateways=float(gateways), api=token_cost).total
    if name != HYBRID:
        raise LookupError(name)
    count = baseline(ground, traffic)
    fixed = cost_of(book, traffic, 1.0, owned_gpus=count * gpus, gateways=at_peak, owned=True).total
    return fixed + float(np.maximum(0.0, rates - count * rate).mean()) * MONTH_S * token_cost
