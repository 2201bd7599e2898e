"""Who asks when, and for what: drawn before anything runs, so that two deployments are asked the same."""

from dataclasses import dataclass

import numpy as np

from tandem.platform.plan.traffic import Floats, Traffic

_CPU_SPREAD = 0.3


@dataclass(slots=True)
class Arrivals:
    """By number of the request; `gateways` is which one of them is met, from 0 to 1."""

    at_s: Floats
    prompts: Floats
    answers: Floats
    tenants: list[str]
    cpu_s: Floats
    gateways: Floats


def drawn(traffic: Traffic, rate: float, count: int, seed: int) -> Arrivals:
    """So many, at this rate on average."""
    # Each in a stream of its own, so that a longer window begins as a shorter one does.
    streams = [np.random.default_rng((seed, index)) for index in range(6)]
    tenants = [(tenant.name, share) for tenant, share in traffic.shares()]
    odds = np.array([share for _, share in tenants])
    chosen = streams[3].choice(len(tenants), size=count, p=odds / odds.sum())
    cpu_s = traffic.gateway.cpu_s
    return Arrivals(
        np.cumsum(streams[0].exponential(1.0, count)) / rate,
        traffic.prompt_tokens.drawn(streams[1], count),
        traffic.answer_tokens.drawn(streams[2], count),
        [tenants[index][0] for index in chosen],
        cpu_s * streams[4].lognormal(-(_CPU_SPREAD**2) / 2, _CPU_SPREAD, count),
        streams[5].random(count),
    )
