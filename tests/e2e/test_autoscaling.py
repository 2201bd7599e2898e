"""Replicas follow the load: gateways the request rate, and the predictor what the gateways want of it, from zero."""

import asyncio

import pytest

from e2e.asking import ask, put_document
from e2e.figures import record
from e2e.keys import CALLER
from e2e.load import offer
from e2e.release import Release
from e2e.space import Space
from e2e.values import PROMETHEUS
from e2e.waiting import until
from e2e.watching import watched

pytestmark = pytest.mark.timeout(400)
RATE = 8.0
LOAD_S = 40.0
IDLE_S = 10
# Windows of minutes are for production: here a test waits for them.
GATEWAY = {
    "autoscaling": {
        "enabled": True,
        "type": "keda",
        "minReplicas": 1,
        "maxReplicas": 3,
        "requestsPerSecond": 2.5,
        "prometheus": PROMETHEUS,
        "window": "10s",
        "pollingSeconds": 2,
        "scaleDownSeconds": 5,
        "scaleDownPercent": 100,
    }
}
PREDICTOR = {
    "autoscaling": {
        "enabled": True,
        "minReplicas": 0,
        "maxReplicas": 1,
        "prometheus": PROMETHEUS,
        "pollingSeconds": 2,
        "window": "10s",
        "idleSeconds": IDLE_S,
        "scaleDownSeconds": 5,
    }
}


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    release.up({"gateway": GATEWAY})
    with release.forwarded() as url:
        asyncio.run(put_document(url))
    return release


def test_gateways_follow_the_request_rate_and_lose_nothing(installed: Release, ours: Space) -> None:
    with watched(ours, installed.gateway) as replicas:
        until("one gateway", lambda: replicas.last.ready == 1, within_s=30)
        began_s = replicas.now_s()
        load = offer(ours, "load", installed.url, rate=RATE, seconds=LOAD_S, key=CALLER)
        outcomes = load.outcomes()
        until("one gateway again", lambda: replicas.last.wanted == replicas.last.ready == 1, within_s=120)
    most = max(step.ready for step in replicas.steps)
    scaled_s = replicas.when_ready(most, after_s=began_s)
    assert scaled_s is not None
    record(
        "gateway_scale_out_s",
        round(scaled_s - began_s, 1),
        replicas=most,
        timeline=replicas.told(),
        requests=len(outcomes.each),
        endings=outcomes.endings,
        first_token_p99_s=round(outcomes.first_s(0.99), 3),
    )
    assert most == 3
    assert outcomes.endings == {"done": RATE * LOAD_S}


def test_a_predictor_at_zero_wakes_for_a_question_and_sleeps_again(installed: Release, ours: Space) -> None:
    installed.up({"predictor": PREDICTOR})
    with watched(ours, f"{installed.name}-predictor") as replicas, installed.forwarded() as url:
        asleep(ours)
        began_s = replicas.now_s()
        told = asyncio.run(ask(url))
        answered_s = replicas.now_s()
        assert told.tandem["citations"], told
        ready_s = until("a ready predictor", lambda: replicas.when_ready(1, after_s=began_s), within_s=10)
        # Quick questions: most looks at the demand find none, and yet it must not sleep.
        load = offer(ours, "trickle", installed.url, rate=1, seconds=2.5 * IDLE_S, key=CALLER)
        outcomes = load.outcomes()
        idle_s = replicas.now_s()
        assert outcomes.endings == {"done": 2.5 * IDLE_S}
        assert {step.wanted for step in replicas.steps if step.at_s >= ready_s} == {1}
        asleep(ours)
        asleep_s = replicas.now_s()
    record(
        "predictor_first_answer_from_zero_s",
        round(answered_s - began_s, 1),
        ready_s=round(ready_s - began_s, 1),
        timeline=replicas.told(),
    )
    record("predictor_to_zero_s", round(asleep_s - idle_s, 1), idle_s=IDLE_S)


def asleep(ours: Space) -> None:
    """Returns when the last predictor has gone; one that drains still answers on connections that it has."""
    pods = ("pods", "--selector", "app.kubernetes.io/component=predictor")
    until("no predictor", lambda: not ours.items(*pods), within_s=120)
