"""Workers follow the load: one, several while documents change, then one again; each document is there once, as it is now."""

import asyncio
import json
from typing import Any

import pytest

from e2e.cluster import Cluster, Object
from e2e.figures import record
from e2e.pods import FAKES, INSIDE, pod, script
from e2e.release import Release
from e2e.space import Space
from e2e.stored import content
from e2e.waiting import until
from e2e.watching import watched

pytestmark = pytest.mark.timeout(300)
PAGES, RATE = 120, 20
CLAIM = "documents"
STORE_PORT = 6333
WORKER = {
    "enabled": True,
    # An idle one takes a tenth of this, one that embeds so many pages a second several times as much.
    "resources": {"requests": {"cpu": "100m", "memory": "768Mi"}, "limits": {"memory": "1Gi"}},
    # Windows of minutes are for production: here a test waits for them.
    "autoscaling": {
        "enabled": True,
        "type": "cpu",
        "minReplicas": 1,
        "maxReplicas": 3,
        "cpuPercent": 70,
        "scaleDownSeconds": 5,
        "scaleDownPercent": 100,
    },
}


@pytest.fixture(scope="module")
def installed(cluster: Cluster, release: Release, ours: Space, storage_class: str) -> Release:
    """A gateway, a store and a worker, which embeds; its documents lie on a claim, the pod `rewrite` has put some there."""
    if not cluster.serves("pods.metrics.k8s.io"):
        pytest.skip("no resource metrics in the cluster: install metrics-server")
    ours.serve("qdrant", FAKES / "qdrant_server.py", [str(STORE_PORT)], STORE_PORT)
    cluster.apply(
        _claim(ours.name, storage_class),
        script(ours.name, "rewrite", INSIDE / "rewrite.py"),
        pod(ours.name, "rewrite", ours.image, ["/documents", str(PAGES), str(RATE)], claim=CLAIM),
    )
    ours.kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/rewrite", "--timeout=60s")
    sources = [{"name": "pages", "place": "/documents/pages", "collection": "pages", "every_s": 3}]
    release.up(
        {
            "predictor": {"enabled": False, "external": {"url": "http://nobody.invalid"}},
            "retriever": {"enabled": False},
            "config": {"vectors": {"url": f"http://qdrant:{STORE_PORT}"}, "ingestion": {"sources": sources}},
            "ingestion": {"documentsClaim": CLAIM},
            "worker": WORKER,
        },
        files=(),
    )
    return release


def _claim(namespace: str, storage_class: str) -> Object:
    wanted: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": wanted | ({"storageClassName": storage_class} if storage_class else {}),
    }


async def test_workers_follow_the_load_and_lose_or_double_nothing(installed: Release, ours: Space) -> None:
    deployment = f"{installed.name}-worker"
    with watched(ours, deployment) as replicas:
        # What it takes to start is over, and the autoscaler has seen it.
        until("one idle worker", lambda: _idle(ours, deployment) and replicas.last.ready == 1, within_s=90)
        began_s = replicas.now_s()
        ours.kubectl("exec", "rewrite", "--", "touch", "/documents/begin")
        until("more workers", lambda: replicas.last.wanted == replicas.last.ready > 1, within_s=90)
        out_s, most = replicas.now_s(), replicas.last.ready
        ours.kubectl("exec", "rewrite", "--", "touch", "/documents/stop")
        expected = _told(json.loads(ours.output("rewrite", within_s=20)))
        stopped_s = replicas.now_s()
        until("one worker", lambda: replicas.last.wanted == replicas.last.ready == 1, within_s=90)
        in_s = replicas.now_s()
    record("worker_scale_out_s", round(out_s - began_s, 1), replicas=most, timeline=replicas.told())
    record("worker_scale_in_s", round(in_s - stopped_s, 1))
    with installed.forwarded() as url:
        # A page that changed while it went from one worker to another is mended by the next round.
        for _ in range(15):
            if await _held(url) == expected:
                break
            await asyncio.sleep(1)
        assert await _held(url) == expected


def _idle(space: Space, autoscaler: str) -> bool:
    status: dict[str, Any] = space.get("hpa", autoscaler)["status"]
    used = [each["resource"]["current"] for each in status.get("currentMetrics") or [] if _of_cpu(each)]
    return status["desiredReplicas"] == 1 and bool(used) and used[0].get("averageUtilization", 100) < 50


def _of_cpu(metric: Object) -> bool:
    return bool(metric.get("resource", {}).get("name") == "cpu")


async def _held(url: str) -> dict[str, list[str]]:
    """The chunks of every page."""
    found = await content(url, "pages")
    return {name: [chunk["text"] for chunk in document["content"]] for name, document in found.items()}


def _told(written: dict[str, int]) -> dict[str, list[str]]:
    """The chunks of every page, as it was written last: one."""
    return {
        f"pages/{name}": [f"# {name[:-3]}\n\nThis is {name[:-3]}, written {times} times."]
        for name, times in written.items()
    }
