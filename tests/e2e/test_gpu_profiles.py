"""GPU profiles on simulated nodes: each model's pod lands on the card it was sized for, and nowhere else."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from e2e.cluster import Cluster, Object
from e2e.release import CHART, Release
from e2e.space import Space
from e2e.waiting import until

pytestmark = pytest.mark.timeout(200)
# TGI's image runs as root, which the restricted standard refuses.
STANDARD = "baseline"
# What the pools of manifests/cluster put on their nodes: pool, GPU, memory of a card, and how many cards.
NODES = {
    "e2e-a10g": ("gpu-a10g", "NVIDIA-A10G", "24Gi", 1),
    "e2e-a100-40g": ("gpu-a100", "NVIDIA-A100-SXM4-40GB", "40Gi", 8),
    "e2e-a100-80g": ("gpu-a100", "NVIDIA-A100-SXM4-80GB", "80Gi", 8),
}


@pytest.fixture(scope="module", autouse=True)
def nodes(cluster: Cluster) -> Iterator[None]:
    cluster.apply(*(node(name, *of) for name, of in NODES.items()))
    for name, (*_, cards) in NODES.items():
        report_ready(cluster, name, cards)
    try:
        yield
    finally:
        cluster.kubectl("delete", "node", *NODES, "--ignore-not-found")


def node(name: str, pool: str, product: str, memory: str, _: int) -> Object:
    labels = {"tandem.dev/pool": pool, "nvidia.com/gpu.product": product, "tandem.dev/gpu-memory": memory}
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**labels, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
        "spec": {"taints": [taint]},
    }


def report_ready(cluster: Cluster, name: str, cards: int) -> None:
    """What a kubelet would say; none runs there, so the pods stay where they were put and never start."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    room = {"cpu": "96", "memory": "1100Gi", "pods": "100", "ephemeral-storage": "4Ti", "nvidia.com/gpu": str(cards)}
    ready = {
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated",
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    }  # fmt: skip
    cluster.kubectl(
        "patch", "node", name, "--subresource=status", "--type=merge",
        "--patch", json.dumps({"status": {"capacity": room, "allocatable": room, "conditions": [ready]}}),
    )  # fmt: skip


@pytest.fixture
def placed(release: Release, ours: Space) -> Iterator[Release]:
    yield release
    release.helm("uninstall")
    # Nobody is there to end them.
    ours.kubectl("delete", "pods", "--all", "--grace-period=0", "--force")


@pytest.mark.parametrize(
    ("profile", "node"), [("values-8b-a10g.yaml", "e2e-a10g"), ("values-30b-a100.yaml", "e2e-a100-80g")]
)
def test_a_profile_s_predictor_lands_on_its_card(placed: Release, ours: Space, profile: str, node: str) -> None:
    placed.begin(files=(CHART / profile,))
    where = until("a place for the predictor", lambda: places(ours), within_s=60)
    assert where == {node}


def test_without_its_card_a_predictor_waits(placed: Release, ours: Space, cluster: Cluster) -> None:
    cluster.kubectl("delete", "node", "e2e-a100-80g")
    placed.begin(files=(CHART / "values-30b-a100.yaml",))
    said = until("a word of the scheduler", lambda: unschedulable(ours), within_s=60)
    assert "didn't match Pod's node affinity/selector" in said
    assert places(ours) == set()


def places(ours: Space) -> set[str]:
    """Nodes of the predictor's pods."""
    return {pod["spec"]["nodeName"] for pod in ours.pods("predictor") if "nodeName" in pod["spec"]}


def unschedulable(ours: Space) -> str:
    conditions = [each for pod in ours.pods("predictor") for each in pod["status"].get("conditions", ())]
    return next((each["message"] for each in conditions if each.get("reason") == "Unschedulable"), "")
