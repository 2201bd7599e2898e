"""Replicas follow the load: gateways the request rate, and the predictor what the gateways want of it, from zero."""

import asyncio
import time

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
RATE = 15.0
LOAD_S = 50.0
# Windows of minutes are for production: here a test waits for them.
GATEWAY = {
    "autoscaling": {
        "enabled": True,
        "type": "keda",
        "minReplicas": 1,
        "maxReplicas": 3,
        "requestsPerSecond": 5,
        "prometheus": PROMETHEUS,
        "pollingSeconds": 2,
        "scaleDownSeconds": 5,
    }
}
PREDICTOR = {
    "autoscaling": {
        "enabled": True,
        "minReplicas": 0,
        "maxReplicas": 1,
        "prometheus": PROMETHEUS,
        "pollingSeconds": 2,
        "idleSeconds": 10,
        "scaleDownSeconds": 5,
    }
}


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    release.up({"gateway": GATEWAY, "predictor": PREDICTOR, "monitoring": {"annotations": True}})
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
    with watched(ours, f"{installed.name}-predictor") as replicas, installed.forwarded() as url:
        asyncio.run(put_document(url))
        until("no predictor", lambda: replicas.last.wanted == replicas.last.ready == 0, within_s=120)
        began_s = time.monotonic()
        told = asyncio.run(ask(url))
        record("predictor_first_answer_from_zero_s", round(time.monotonic() - began_s, 1))
        assert told.tandem["citations"], told
        assert replicas.last.ready == 1
        idle_s = replicas.now_s()
        until("no predictor again", lambda: replicas.last.wanted == replicas.last.ready == 0, within_s=120)
        record("predictor_to_zero_s", round(replicas.now_s() - idle_s, 1), timeline=replicas.told())
