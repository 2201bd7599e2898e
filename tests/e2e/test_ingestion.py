"""Ingestion by Jobs: shards side by side, one of their pods killed, and the collection is that of a clean run."""

import asyncio
import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from component.deployments import TANDEM
from e2e.cluster import Object
from e2e.release import Release
from e2e.space import Space
from e2e.stored import content, names
from e2e.waiting import until

pytestmark = pytest.mark.timeout(300)

DOCUMENTS = 27
SHARDS = 3
_SMALL = {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}


@pytest.fixture(scope="module")
def installed(release: Release, ours: Space) -> Iterator[Release]:
    """Gateway, retriever and no worker yet; who generates does not matter here. The documents lie on a volume of the pods."""
    ours.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "corpus", "namespace": ours.name},
            "data": {f"page-{number:02}.md": _page(number) for number in range(DOCUMENTS)},
        }
    )
    # The image has a folder with text in it: its own code.
    sources = [{"name": "code", "place": "/opt/tandem/code/tandem/domain", "collection": "code", "every_s": 3600}]
    release.up(
        {
            "predictor": {"enabled": False, "external": {"url": "http://nobody.invalid"}},
            "config": {"ingestion": {"sources": sources}},
            "worker": {"enabled": True, "replicaCount": 0, "resources": _SMALL},
        },
        files=(),
    )
    yield release
    # Kubernetes cannot delete a namespace that has a Job with failed pods: each waits for the other.
    ours.kubectl("delete", "cronjobs,jobs", "--all", "--wait=false")


def _page(number: int) -> str:
    parts = "\n\n".join(
        f"## Part {part}\n\n" + f"Page {number} tells of part {part} in words of its own: {number * 7 + part}. " * 6
        for part in range(2)
    )
    return f"# Page {number}\n\n{parts}\n"


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "resources": _SMALL,
                "volumes": [{"name": "corpus", "configMap": {"name": "corpus"}}],
                "volumeMounts": [{"name": "corpus", "mountPath": "/documents/corpus", "readOnly": True}],
            }
        ),
        encoding="utf-8",
    )
    return file


def _tandem(space: Space, release: Release, values: Path, *more: str) -> "subprocess.Popen[str]":
    command = [str(TANDEM), "ingest", "--on", "kubernetes", "--release", release.name, "--namespace", space.name]
    return subprocess.Popen(
        [*command, "--values", str(values), *more, "/documents/corpus"],
        env={**os.environ, **space.cluster.env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ended(running: "subprocess.Popen[str]") -> tuple[str, str]:
    out, err = running.communicate(timeout=150)
    assert running.returncode == 0, out + err
    return out, err


@pytest.fixture(scope="module")
def clean(installed: Release, ours: Space, values: Path) -> dict[str, Any]:
    """What one run makes of the documents that nobody disturbs."""
    _ended(_tandem(ours, installed, values, "--collection", "clean"))
    with installed.forwarded() as url:
        found = asyncio.run(content(url, "clean"))
    assert len(found) == DOCUMENTS
    return found


def test_a_killed_pod_of_a_job_loses_and_doubles_nothing(
    installed: Release, ours: Space, values: Path, clean: dict[str, Any]
) -> None:
    # A pod that had done its work by the time when it was killed tells nothing: then another one is killed earlier.
    for latest_s in (3.0, 1.0, 0.3):
        collection = f"disturbed-{latest_s:.1f}".replace(".", "-")
        with _tandem(ours, installed, values, "--shards", str(SHARDS), "--collection", collection) as disturbed:
            try:
                job = _kill_one(ours, collection, latest_s)
                out, err = _ended(disturbed)
            finally:
                disturbed.kill()
        assert f"{SHARDS} of {SHARDS} shards done" in out
        assert all(f"shard {index}  done" in err for index in range(SHARDS)), err
        with installed.forwarded() as url:
            assert asyncio.run(content(url, collection)) == clean
        # Its shard was begun again by another pod.
        if ours.get("job", job)["status"].get("failed", 0) >= 1:
            return
    raise AssertionError("every pod had done its work before it was killed")


def _kill_one(space: Space, collection: str, latest_s: float) -> str:
    """Kill a running pod at a random moment without a word, as a node does that dies; its Job's name."""

    def running() -> list[Object]:
        pods = space.pods("ingest")
        return [
            pod
            for pod in pods
            if pod["status"]["phase"] == "Running" and collection in pod["spec"]["containers"][0]["args"]
        ]

    until("pods that ingest", lambda: len(running()) == SHARDS, within_s=60, every_s=0.2)
    victim = random.SystemRandom().choice(running())
    time.sleep(random.SystemRandom().uniform(0.1, latest_s))
    # Its object stays until the Job has counted it.
    space.kubectl("delete", "pod", victim["metadata"]["name"], "--force", "--grace-period=0", "--wait=false")
    job: str = victim["metadata"]["labels"]["batch.kubernetes.io/job-name"]
    return job


def test_a_schedule_is_taken_in_by_the_cluster(installed: Release, ours: Space, values: Path) -> None:
    out, _ = _ended(_tandem(ours, installed, values, "--shards", "2", "--schedule", "15 3 * * *"))
    name = out.partition(" ")[0]
    found = json.loads(ours.kubectl("get", name, "-o", "json"))
    assert found["spec"]["schedule"] == "15 3 * * *"
    spec = found["spec"]["jobTemplate"]["spec"]
    assert (spec["completionMode"], spec["completions"]) == ("Indexed", 2)
    # What it makes is taken in as well: pod security is enforced here.
    ours.kubectl("create", "job", "once", f"--from={name}")
    until("a pod of the schedule", lambda: _running(ours, "once"), within_s=60)


def _running(space: Space, job: str) -> bool:
    pods = space.items("pods", "--selector", f"batch.kubernetes.io/job-name={job}")
    return any(pod["status"]["phase"] in {"Running", "Succeeded"} for pod in pods)


async def test_workers_share_a_source_and_take_over_from_one_that_is_lost(installed: Release, ours: Space) -> None:
    # Not by another `helm upgrade`: all else would be rolled out as well.
    ours.kubectl("scale", "deployment", f"{installed.name}-worker", "--replicas=2")
    ours.kubectl("rollout", "status", f"deployment/{installed.name}-worker", "--timeout=90s")
    lost, left = (each["metadata"]["name"] for each in ours.pods("worker"))
    for name in (lost, left):
        until(f"the share of {name}", partial(_shares, ours, name), within_s=40)
    assert sorted([_shares(ours, lost)[-1], _shares(ours, left)[-1]]) == ["0/2", "1/2"]
    ours.kubectl("delete", "pod", lost, "--force", "--grace-period=0")
    listed = ours.kubectl("exec", left, "--", "python", "-c", _COUNT).strip()
    with installed.forwarded() as url:
        for _ in range(60):
            if len(await names(url, "code")) == int(listed):
                return
            await asyncio.sleep(1)
    pytest.fail("what the lost worker left was not taken up")


_COUNT = "import pathlib; print(sum(1 for each in pathlib.Path('/opt/tandem/code/tandem/domain').glob('*.py')))"


def _shares(space: Space, pod: str) -> list[str]:
    """The shards that this worker has taken, in order."""
    lines = [json.loads(line) for line in space.kubectl("logs", pod).splitlines() if line.startswith("{")]
    return [line["shard"] for line in lines if line["message"] == "the workers changed"]
