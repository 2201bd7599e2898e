"""What one replica may be asked so that answers still come in time."""

from dataclasses import dataclass

from tandem.generation.pools import PoolPolicy
from tandem.platform.plan.engines import Fit
from tandem.platform.plan.figures import percentile
from tandem.platform.plan.servers import MOST_AT_ONCE, Place
from tandem.platform.plan.simulate import Outcome
from tandem.platform.plan.traffic import Objectives, Traffic
from tandem.platform.plan.windows import Deployment, Lab

_STEPS = 5
_LEAST_LOAD = 0.03
_TRIED = 4
# Room for what chance and the autoscaler's delays do to a window: answers get late all at once, not little by little.
_MARGIN = 0.9


@dataclass(frozen=True, slots=True)
class Capacity:
    """Requests a second of one replica. `first_p99_s` and `answer_p99_s` are those of one that is hardly asked at all.

    `rate` is 0 when not even those hold to the objectives.
    """

    rate: float
    most: float
    first_p99_s: float
    answer_p99_s: float


def holds(outcome: Outcome, slo: Objectives) -> bool:
    """Whether these answers came in time; those whom residency forbids are no fault of the size."""
    first, whole = percentile(outcome.first_s, 0.99), percentile(outcome.whole_s, 0.99)
    in_time = slo.answer_p99_s is None or whole <= slo.answer_p99_s
    return outcome.refused_share <= slo.refused_share and first <= slo.first_token_p99_s and in_time


def capacity(lab: Lab, fit: Fit, *, together: bool) -> Capacity:
    """By halving, on a few replicas."""
    traffic = lab.traffic
    most = fit.times.most(traffic.prompt_tokens.mean, traffic.answer_tokens.mean)
    gateways = gateways_for(traffic, most * _TRIED, least=1)
    deployment = engines(fit, _TRIED, gateways, PoolPolicy("gpu"), together=together)

    def tried(load: float) -> Outcome:
        return lab.at(load * most * _TRIED, deployment)

    idle = tried(_LEAST_LOAD)
    alone = percentile(idle.first_s, 0.99), percentile(idle.whole_s, 0.99)
    if not holds(idle, traffic.slo):
        return Capacity(0.0, most, *alone)
    low, high = _LEAST_LOAD, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(tried(middle), traffic.slo) else (low, middle)
    return Capacity(low * most * _MARGIN, most, *alone)


def engines(fit: Fit, replicas: int, gateways: int, policy: PoolPolicy, *, together: bool = False) -> Deployment:
    """So many replicas behind so many gateways; each gateway begins with its part of their slots."""
    if together:
        gateways = replicas
    return Deployment(gateways, (gpu_place(fit, replicas, gateways, policy),), together)


def gpu_place(fit: Fit, replicas: int, gateways: int, policy: PoolPolicy, *, each: int | None = None) -> Place:
    """A pool of replicas. `each`: no more than so many at a time for one of them, so that what does not fit spills."""
    most = MOST_AT_ONCE if each is None else max(1, min(MOST_AT_ONCE, -(-each * replicas // gateways)))
    return Place(policy, min(most, initial_limit(fit, replicas, gateways)), most, replicas, fit.times)


def initial_limit(fit: Fit, replicas: int, gateways: int) -> int:
    """What one gateway lets in at first: its part of all slots."""
    return max(1, min(MOST_AT_ONCE, -(-fit.times.slots * replicas // gateways)))


def gateways_for(traffic: Traffic, rate: float, *, least: int) -> int:
    """Pods for a rate."""
    return max(least, -int(-rate // traffic.gateway.requests_per_second))
