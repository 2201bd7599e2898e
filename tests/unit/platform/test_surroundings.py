from decimal import Decimal
from typing import Any

import pytest

from fakes.kubernetes_objects import facts, node, one, thing
from tandem.platform.facts import Around, Facts, Peer, Presence, Stored, Tried
from tandem.platform.findings import Severity
from tandem.platform.rules.gpus import gpus
from tandem.platform.rules.quotas import quotas
from tandem.platform.rules.room import room
from tandem.platform.rules.server import server
from tandem.platform.rules.tried import tried
from tandem.platform.rules.vectors import vectors
from tandem.platform.rules.volumes import volumes
from unit.platform.test_release import installed

URL = "http://tandem-predictor.prod.svc.cluster.local"


@pytest.mark.parametrize(
    ("around", "rule"),
    [
        (Around("v1.29.8"), "server-old"),
        (Around("v1.34.4", ahead_s=120.0), "clock"),
        (Around("v1.34.4", ahead_s=-31.0), "clock"),
        (Around("v1.34.4", dns=0), "dns-down"),
    ],
)
def test_what_no_release_can_help(around: Around, rule: str) -> None:
    assert one(server(facts(around=around))).rule == rule


def test_a_sound_server_and_one_that_tells_nothing() -> None:
    assert list(server(facts(around=Around("v1.30.0-eks-1", ahead_s=2.0, dns=2)))) == []
    assert list(server(facts())) == []


def workload(component: str = "predictor", replicas: int = 1, *, gpus: str = "", **requests: str) -> Any:
    resources = {"requests": requests | ({"nvidia.com/gpu": gpus} if gpus else {})}
    template = {"metadata": {}, "spec": {"containers": [{"name": "main", "resources": resources}]}}
    return thing("Deployment", f"tandem-{component}", component, spec={"replicas": replicas, "template": template})


def ready(made: Any) -> Any:
    made["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return made


def test_a_gpu_node_without_a_driver_and_one_that_is_not_ready() -> None:
    asks = workload(gpus="1")
    pool = {"tandem.dev/pool": "gpu-a10g"}
    finding = one(gpus(facts(asks, ready(node("bare", labels=pool)), ready(node("good", labels=pool, gpu="1")))))
    assert (finding.rule, finding.subject, finding.severity) == ("gpu-driver", "node/bare", Severity.problem)
    assert (
        one(gpus(facts(asks, node("ill", labels={"nvidia.com/gpu.present": "true"}, gpu="1")))).rule == "gpu-node-down"
    )
    assert one(gpus(facts(ready(node("bare", labels=pool))))).severity is Severity.note
    assert list(gpus(facts(asks, ready(node("cpu"))))) == []


def planned(*objects: Any, **around: Any) -> Facts:
    return facts(*objects, planned=True, installed=installed("planned", 0), around=Around(**around))


def test_gpus_that_others_have_taken() -> None:
    asks = workload(replicas=2, gpus="1")
    finding = one(room(planned(asks, node("a", gpu="2"), used={"a": {"nvidia.com/gpu": Decimal(1)}})))
    assert finding.problem == "1 of its 2 pods would fit: nvidia.com/gpu: 1 asked, at most 0 free"
    assert list(room(planned(asks, node("a", gpu="2")))) == []
    assert list(room(facts(asks, node("a", gpu="1")))) == []


def test_workloads_share_what_is_free() -> None:
    both = [workload("gateway", cpu="3"), workload("predictor", cpu="3")]
    assert one(room(planned(*both, node("a")))).component == "gateway"
    assert list(room(planned(*both, node("a"), node("b")))) == []


def test_a_cluster_that_makes_nodes_on_demand_is_only_told_of() -> None:
    asks = workload(cpu="64")
    assert one(room(planned(asks, node("a")))).severity is Severity.problem
    assert one(room(planned(asks, node("a"), grows=True))).severity is Severity.note


def quota(**hard: str) -> Any:
    limits = {key.replace("_", "."): value for key, value in hard.items()}
    return thing("ResourceQuota", "team", "", status={"hard": limits, "used": dict.fromkeys(limits, "0")})


def test_a_quota_that_is_too_small_or_asks_for_limits() -> None:
    asks = workload("gateway", 2, cpu="1", memory="1Gi")
    finding = one(quotas(planned(asks, quota(requests_cpu="1"))))
    assert finding.problem == "this release asks for requests.cpu: 2, and the quota leaves 1"
    assert "asks for cpu: 2" in one(quotas(planned(asks, quota(cpu="1")))).problem
    assert one(quotas(planned(asks, quota(pods="1")))).rule == "quota"
    assert "those of gateway have none" in one(quotas(planned(asks, quota(limits_cpu="8")))).problem
    limited = thing("LimitRange", "defaults", "")
    assert list(quotas(planned(asks, limited, quota(limits_cpu="8", requests_cpu="2")))) == []


def test_a_claim_to_come_needs_a_class_or_volumes_of_its_name() -> None:
    claim = thing("PersistentVolumeClaim", "data", "retriever", spec={"storageClassName": "fast"})
    other = thing("StorageClass", "slow", "")
    assert one(volumes(planned(claim, other))).problem == "there is no StorageClass 'fast'"
    by_hand = thing("PersistentVolume", "disk", "", spec={"storageClassName": "fast"})
    assert list(volumes(planned(claim, other, by_hand))) == []


def test_vectors_of_another_length_than_the_embedder_s() -> None:
    assert one(vectors(facts(stored=(Stored("docs", 768),)))).rule == "vectors-size"
    assert list(vectors(facts(stored=(Stored("docs", 384),)))) == []
    assert one(vectors(facts(stored=(Stored("docs", 0, "status 401"),)))).severity is Severity.note
    remote = (Peer("the embedder", "http://tei:80", "tei", "prod", Presence.present, 1),)
    assert list(vectors(facts(stored=(Stored("docs", 768),), peers=remote))) == []
    asked = (Tried("retriever", "embedder", "http://tei:80", "ok", "1024"),)
    assert "makes 1024" in one(vectors(facts(stored=(Stored("docs", 768),), peers=remote, tried=asked))).problem


@pytest.mark.parametrize(
    ("what", "rule", "fix"),
    [
        (Tried("gateway", "path", URL, "timeout", role="the predictor"), "path-blocked", "extraEgress.gateway"),
        (Tried("gateway", "path", "http://far", "refused", role="Qdrant"), "path-failed", "URL in config"),
        (Tried("gateway", "path", "http://far", "name", "unknown", "Qdrant"), "name-unknown", "networkPolicy.dns"),
        (Tried("predictor", "hub", "org/model@main", "gated"), "model-unread", "accept the model's terms"),
        (Tried("predictor", "hub", "org/model@main", "no-token"), "model-unread", "kubectl create secret"),
        (Tried("predictor", "hub", "org/model@main", "no-revision"), "model-unread", "predictor.model.uri"),
        (Tried("gateway", "pod", "probe", "image", "no such tag"), "image-pull", "imagePullSecrets"),
        (Tried("gateway", "image", "ghcr.io/x:1", "absent", "ghcr.io"), "image-unknown", "repository, tag or digest"),
        (Tried("gateway", "image", "ghcr.io/x:1", "denied", "ghcr.io"), "image-unknown", "imagePullSecrets"),
        (Tried("gateway", "pod", "probe", "late", "no node"), "probe-failed", "kubectl get events"),
    ],
)
def test_what_a_pod_did_not_get_through_with(what: Tried, rule: str, fix: str) -> None:
    finding = one(tried(facts(tried=(what,))))
    assert finding.rule == rule
    assert fix in finding.fix


def test_a_path_with_nobody_at_its_end_is_told_of_the_server_alone() -> None:
    nobody = (Peer("the predictor", URL, "tandem-predictor", "prod", Presence.present, 0),)
    for outcome in ("ok", "refused", "timeout"):
        told = tried(facts(peers=nobody, tried=(Tried("gateway", "path", URL, outcome),)))
        assert list(told) == []
