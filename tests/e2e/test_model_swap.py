"""Another model on other hardware, by another values file: the gateways are the same objects, and keep answering."""

import asyncio
import json
import time

import pytest

from e2e.asking import put_document
from e2e.cluster import Object
from e2e.figures import record
from e2e.keys import CALLER
from e2e.load import offer
from e2e.release import CHART, Release
from e2e.space import Space
from e2e.waiting import until

pytestmark = pytest.mark.timeout(400)
SMALLER, LARGER = CHART / "values-8b-a10g.yaml", CHART / "values-30b-a100.yaml"
# What has no GPU here, and no 30 GB: Tandem's own small engine stands in for TGI.
STAND_IN: Object = {
    "predictor": {
        "runtime": "small",
        "model": {"uri": "extractive", "quantization": ""},
        "budget": {"gpuMemoryGB": 0},
        "cache": {"enabled": False},
        "nodeSelector": None,
    }
}
# Another model in the larger one's place: one with more context.
LARGER_STAND_IN: Object = {"predictor": {"runtimes": {"small": {"env": {"TANDEM_PREDICTOR__CONTEXT_TOKENS": "8192"}}}}}


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    release.up(STAND_IN, files=(SMALLER,))
    with release.forwarded() as url:
        asyncio.run(put_document(url))
    return release


def test_a_model_is_swapped_without_touching_a_gateway(installed: Release, ours: Space) -> None:
    gateways = {pod["metadata"]["uid"]: pod for pod in ours.pods("gateway")}
    rendered = outside_the_predictor(installed.render(STAND_IN, files=(SMALLER,)))
    before = uids(ours, "predictor")
    load = offer(ours, "load", installed.url, rate=4, seconds=30, key=CALLER)
    time.sleep(3)
    installed.up(STAND_IN, LARGER_STAND_IN, files=(LARGER,))
    # KServe takes a moment to see the change.
    until(
        "the other predictor alone",
        lambda: uids(ours, "predictor") and not uids(ours, "predictor") & before,
        within_s=90,
    )
    installed.predictor_ready()
    outcomes = load.outcomes()
    record("requests_lost_in_model_swap", len(outcomes.failed), of=len(outcomes.each), endings=outcomes.endings)
    assert outside_the_predictor(installed.render(STAND_IN, LARGER_STAND_IN, files=(LARGER,))) == rendered
    now = {pod["metadata"]["uid"]: pod for pod in ours.pods("gateway")}
    assert now.keys() == gateways.keys()
    assert all(status["restartCount"] == 0 for pod in now.values() for status in pod["status"]["containerStatuses"])
    assert outcomes.failed == []


def uids(ours: Space, component: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in ours.pods(component)}


def outside_the_predictor(objects: list[Object]) -> str:
    """As text, so that not even an order differs."""
    return json.dumps([each for each in objects if component(each) != "predictor"])


def component(each: Object) -> str | None:
    found: str | None = each["metadata"].get("labels", {}).get("app.kubernetes.io/component")
    return found
