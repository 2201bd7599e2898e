"""Workers come from nothing for jobs and go again, whoever tells KEDA of them; every job is answered, and ends once."""

import asyncio
import time

import pytest

from e2e.cluster import Object
from e2e.figures import record
from e2e.jobs import ended, kinds, said, submit
from e2e.postgres import asked, postgres
from e2e.release import Release, merged
from e2e.space import Space
from e2e.steady import steady
from e2e.values import PROMETHEUS
from e2e.waiting import until
from e2e.watching import watched

pytestmark = pytest.mark.timeout(400)
JOBS, TOKENS, MOST = 150, 40, 3
# Windows of minutes are for production: here a test waits for them.
SCALING: Object = {
    "enabled": True,
    "type": "keda",
    "minReplicas": 0,
    "maxReplicas": MOST,
    "queuePerReplica": 20,
    "prometheus": PROMETHEUS,
    "pollingSeconds": 2,
    "idleSeconds": 5,
    "scaleDownSeconds": 5,
    "scaleDownPercent": 100,
}


@pytest.fixture(scope="module")
def values(ours: Space) -> Object:
    worker: Object = {
        "enabled": True,
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "autoscaling": SCALING,
    }
    return merged(
        postgres(ours),
        steady(ours, tokens=TOKENS, gap_ms=50.0),
        {"config": {"worker": {"queues": ["answers"]}, "jobs": {"concurrency": 4}}, "worker": worker},
    )


@pytest.fixture(params=["postgresql", "prometheus"])
def installed(request: pytest.FixtureRequest, release: Release, values: Object) -> Release:
    release.up(values, {"worker": {"autoscaling": {"trigger": request.param}}}, files=())
    return release


async def test_workers_come_from_nothing_for_jobs_and_go_again(
    installed: Release, ours: Space, request: pytest.FixtureRequest
) -> None:
    trigger = request.node.callspec.params["installed"]
    deployment = f"{installed.name}-worker"
    with watched(ours, deployment) as replicas, installed.forwarded() as url:
        await asyncio.to_thread(_none, ours)
        began_s = replicas.now_s()
        ids = await submit(url, JOBS, trigger)
        found = await ended(url, ids, within_s=180)
        answered_s = replicas.now_s()
        await asyncio.to_thread(_none, ours)
        gone_s = replicas.now_s()
        # Nobody but a worker notices that its time has come, and there is none.
        (late,) = await submit(url, 1, f"{trigger}-late", not_before=time.time() + 4)
        (last,) = await ended(url, [late], within_s=90)
    assert {job["status"] for job in found} == {"succeeded"}
    assert {len(said(job).split()) for job in found} == {TOKENS}
    assert last["status"] == "succeeded"
    with installed.forwarded() as url:
        ends = [(await kinds(url, job["id"])).count("done") for job in found]
    assert ends == [1] * JOBS
    # Pods that go finish what they are at: nothing was answered in vain.
    again = [job["id"] for job in found if job["attempts"] > 1]
    ready_s = next(step.at_s for step in replicas.steps if step.at_s >= began_s and step.ready)
    most = max(step.ready for step in replicas.steps if step.at_s >= began_s)
    record(
        f"jobs_from_zero_{trigger}_s",
        round(answered_s - began_s, 1),
        first_worker_s=round(ready_s - began_s, 1),
        replicas=most,
        to_zero_s=round(gone_s - answered_s, 1),
        again=len(again),
        timeline=replicas.told(),
    )
    assert most == MOST
    # Each has a receipt of its own, and no answer had two.
    counted = asked(
        ours, f"SELECT count(DISTINCT receipt_id), count(*) FROM jobs WHERE idempotency_key LIKE '%{trigger}-%'"
    )
    assert counted == [[str(JOBS + 1), str(JOBS + 1)]]
    assert again == []


def _none(ours: Space) -> None:
    until("no worker", lambda: not ours.items("pods", "--selector", "app.kubernetes.io/component=worker"), within_s=150)
