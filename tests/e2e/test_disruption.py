"""What a cluster does to running pods: drains, kills, restarts, an API server that is away. Nobody is left in the dark."""

import asyncio
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest

from e2e.asking import Answered, ask, put_document
from e2e.commands import run
from e2e.figures import record
from e2e.keys import CALLER
from e2e.load import Outcomes, offer
from e2e.release import Release
from e2e.space import Space
from e2e.waiting import until

pytestmark = pytest.mark.timeout(400)
AWAY_S = 30
_API_SERVER = "TANDEM_E2E_API_SERVER"
# A drain knows no namespaces: other modules' gateways, leaving or not, are not its business.
_DRAINED = {"tandem-e2e": "drained"}
VALUES = {"gateway": {"replicaCount": 2, "podLabels": _DRAINED}}


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    release.up(VALUES)
    with release.forwarded() as url:
        asyncio.run(put_document(url))
    return release


def told(what: str, outcomes: Outcomes, **more: object) -> None:
    record(
        f"requests_lost_in_{what}",
        len(outcomes.failed),
        of=len(outcomes.each),
        silently=len(outcomes.silent),
        endings=outcomes.endings,
        **more,
    )


def test_a_drain_waits_for_another_gateway_and_loses_nothing(installed: Release, ours: Space) -> None:
    load = offer(ours, "load-drain", installed.url, rate=4, seconds=40, key=CALLER)
    with draining(ours, ",".join(f"{key}={value}" for key, value in _DRAINED.items())) as (drain, nodes):
        # No node takes new pods. What replaces the first gateway finds no place, so the second one has to stay.
        time.sleep(15)
        assert drain.poll() is None, drain.communicate()[0]
        assert len([pod for pod in ours.pods("gateway") if ready(pod)]) == 1
        ours.kubectl("uncordon", *nodes)
        # It gives up by itself, and says what it waited for.
        said, _ = drain.communicate(timeout=120)
        assert drain.returncode == 0, said
        assert "would violate the pod's disruption budget" in said
    outcomes = load.outcomes()
    told("drain", outcomes)
    assert outcomes.failed == []


@contextmanager
def draining(ours: Space, selector: str) -> "Iterator[tuple[subprocess.Popen[str], list[str]]]":
    """All nodes, so that one is as good as many, but only of our pods. They take pods again after the block."""
    nodes = [each["metadata"]["name"] for each in ours.cluster.items("nodes")]
    command = [
        "kubectl", "drain", *nodes, f"--pod-selector={selector}", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s",
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        env=ours.cluster.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as drain:
        try:
            yield drain, nodes
        finally:
            drain.kill()
            ours.kubectl("uncordon", *nodes)


def ready(pod: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


def test_a_retriever_that_is_restarted_comes_back_with_its_documents(installed: Release, ours: Space) -> None:
    (before,) = ours.pods("retriever")
    began_s = time.monotonic()
    ours.kubectl("delete", "pod", before["metadata"]["name"])
    with installed.forwarded() as url:
        told_after = until("an answer", lambda: asyncio.run(answered(url)), within_s=90)
    record("retriever_restart_to_answer_s", round(time.monotonic() - began_s, 1))
    assert [each["document_id"] for each in told_after.tandem["citations"]] == ["harbour.md"]
    (after,) = ours.pods("retriever")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


async def answered(url: str) -> Answered | None:
    """None while errors are told instead."""
    try:
        return await ask(url, timeout_s=10)
    except openai.APIError:
        return None


def test_serving_goes_on_while_the_api_server_is_away(installed: Release, ours: Space) -> None:
    control = os.environ.get(_API_SERVER)
    if not control:
        pytest.skip(
            f"{_API_SERVER} is not set: a command that takes the API server away with `stop` and brings it back with `start`"
        )
    load = offer(ours, "load-away", installed.url, rate=4, seconds=AWAY_S + 12, key=CALLER)
    time.sleep(4)
    run([*shlex.split(control), "stop"], env=ours.cluster.env)
    try:
        time.sleep(AWAY_S)
    finally:
        run([*shlex.split(control), "start"], env=ours.cluster.env)
    until("the API server", lambda: ours.cluster.kubectl("get", "--raw=/readyz", "--request-timeout=5s"), within_s=60)
    outcomes = load.outcomes()
    told("api_server_away", outcomes, away_s=AWAY_S, first_token_p99_s=round(outcomes.first_s(0.99), 3))
    assert outcomes.failed == []


def test_a_predictor_killed_in_mid_stream_is_told_and_comes_back(installed: Release, ours: Space) -> None:
    # A model that takes its time, so that there is a middle.
    installed.up(VALUES, {"predictor": {"model": {"uri": "smollm2"}}})
    (predictor,) = ours.pods("predictor")
    load = offer(ours, "load-kill", installed.url, rate=4, seconds=5, key=CALLER, max_tokens=256)
    time.sleep(4)
    killed_s = time.monotonic()
    ours.kubectl("delete", "pod", predictor["metadata"]["name"], "--grace-period=0", "--force")
    with installed.forwarded() as url:
        until("an answer", lambda: asyncio.run(answered(url)), within_s=90)
    recovery_s = time.monotonic() - killed_s
    outcomes = load.outcomes()
    told("predictor_kill", outcomes, recovery_s=round(recovery_s, 1))
    assert outcomes.silent == []
    # Those that had begun to be answered are told within their streams.
    assert any(one.status == 200 and one.ending != "done" for one in outcomes.each), outcomes.endings
