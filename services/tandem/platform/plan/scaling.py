"""How many replicas there are at each minute of the day, by the chart's autoscaling rules."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from tandem.platform.plan.engines import ServiceTimes
from tandem.platform.plan.traffic import Floats, Traffic

# Of the chart's predictor.autoscaling and gateway.autoscaling; a horizontal autoscaler ignores a tenth.
SCALE_DOWN_S = 600
_SCALE_DOWN_SHARE = 0.05
GATEWAY_DOWN_S = 300
_TOLERANCE = 0.1
_LOOK_MINUTES = 1
# predictor.autoscaling.idleSeconds; and where a gap of that is as good as never.
IDLE_S = 900.0
_NEVER = 60.0
# A pool that falls behind shows its queues, too.
_BEHIND = 1.5


@dataclass(frozen=True, slots=True)
class Rule:
    """One more replica for each `demand` generations that run or wait, from `least` to `most`, there after `start_s`."""

    demand: int
    least: int
    most: int
    start_s: float


def demand_of(rate: float, replicas: int, times: ServiceTimes, traffic: Traffic) -> float:
    """`tandem_generation_demand` at an even rate: who holds a slot or waits for one."""
    if not replicas:
        return rate
    before = traffic.gateway.cpu_s + traffic.gateway.latency_s
    at_once = times.answers_at_once(rate / replicas, traffic.prompt_tokens.mean, traffic.answer_tokens.mean)
    inside = replicas * (times.slots * _BEHIND if math.isinf(at_once) else at_once)
    return rate * before + inside


def replicas_by_minute(traffic: Traffic, times: ServiceTimes, rule: Rule) -> tuple[Floats, Floats]:
    """Those that answer, and those that are paid for: they start, too. After a day before it of the same kind."""
    rates = traffic.minutes()
    ready, coming = rule.least, deque[int]()
    wanted_lately: deque[int] = deque(maxlen=max(1, SCALE_DOWN_S // 60))
    starting = _LOOK_MINUTES + math.ceil(rule.start_s / 60)
    found, paid = np.zeros(len(rates)), np.zeros(len(rates))
    for minute in range(2 * len(rates)):
        while coming and coming[0] <= minute:
            coming.popleft()
            ready += 1
        there = ready + len(coming)
        wanted = _wanted(demand_of(rates[minute % len(rates)], ready, times, traffic), there, rule)
        wanted_lately.append(wanted)
        if wanted > there:
            coming.extend([minute + starting] * (wanted - there))
        elif max(wanted_lately) < there:
            # The autoscaler keeps the whole part of what its share leaves. What has not started yet goes first.
            fewest = max(*wanted_lately, int(there * (1 - _SCALE_DOWN_SHARE)))
            for _ in range(there - fewest):
                if coming:
                    coming.pop()
                else:
                    ready -= 1
        found[minute % len(rates)] = ready
        paid[minute % len(rates)] = ready + len(coming)
    return found, paid


def _wanted(demand: float, there: int, rule: Rule) -> int:
    ratio = demand / (rule.demand * max(1, there))
    wanted = there if abs(ratio - 1) <= _TOLERANCE else math.ceil(demand / rule.demand)
    return min(rule.most, max(rule.least, wanted))


def gateways_by_minute(traffic: Traffic, least: int) -> Floats:
    """Pods by the request rate: there within seconds, gone late."""
    pods = np.maximum(least, np.ceil(traffic.minutes() / traffic.gateway.requests_per_second))
    found: Floats = np.max([np.roll(pods, minute) for minute in range(GATEWAY_DOWN_S // 60 + 1)], axis=0)
    return found


@dataclass(frozen=True, slots=True)
class Sleep:
    """By minute: the share of the time that a pool of one is up or starting, and the share of requests that wait for it."""

    paid: Floats
    delayed: Floats


def sleeping(traffic: Traffic, start_s: float) -> Sleep:
    """A pool that may go to zero, after `IDLE_S` without anybody; the next one wakes it.

    With arrivals by chance it goes when a gap is longer: it is up for (e^(rate x idle) - 1) / rate seconds, then gone until
    somebody comes, then starting.
    """
    rates = traffic.minutes()
    exponent = np.minimum(rates * IDLE_S, _NEVER)
    rate = np.maximum(rates, 1e-12)
    up, gone = np.expm1(exponent) / rate, 1 / rate
    cycle = up + gone + start_s
    asked = rate * cycle
    return Sleep((up + start_s) / cycle, np.where(rates > 0, (1 + rates * start_s) / asked, 0.0))
