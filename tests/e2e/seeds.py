"""Faults, one context manager each, which brings one about and takes it away again."""

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from e2e.cluster import Object
from e2e.pods import FAKES, INSIDE
from e2e.release import CHART, SMALL, Release
from e2e.waiting import until

GPU = CHART / "values-8b-a10g.yaml"
_NODE = "e2e-seeded"
_PUT = """
import urllib.request as u
body = b'{"vectors": {"dense": {"size": 8, "distance": "Cosine"}}}'
u.urlopen(u.Request("http://127.0.0.1:6333/collections/docs", body, {"content-type": "application/json"}, method="PUT"))
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What the doctor is told: values on top of the installation's, the profile under them, further flags. `live`: no values at all."""

    values: Object
    flags: tuple[str, ...] = ()
    profile: Path = SMALL
    live: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """`rule` is what the doctor calls it, `names` a word of what is wrong, `fix` one of what to do."""

    name: str
    seeded: Callable[[Release], AbstractContextManager[Look]]
    rule: str
    names: str
    fix: str


def _said(*look: object, **more: object) -> Callable[[Release], AbstractContextManager[Look]]:
    """A fault that lies in the values."""
    return lambda _: contextlib.nullcontext(Look(*look, **more))  # type: ignore[arg-type]


@contextlib.contextmanager
def _no_driver(release: Release) -> Iterator[Look]:
    with _node(release, "0"):
        yield Look({}, profile=GPU)


@contextlib.contextmanager
def _taken(release: Release) -> Iterator[Look]:
    """The only GPU is another's."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "main",
        "image": "none",
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        "securityContext": security,
    }
    spec = {
        "nodeName": _NODE,
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    metadata = {"name": "other", "namespace": release.space.name}
    with _node(release, "1"):
        release.space.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        try:
            yield Look({}, profile=GPU)
        finally:
            release.space.kubectl("delete", "pod", "other", "--grace-period=0", "--force")


@contextlib.contextmanager
def _quota(release: Release) -> Iterator[Look]:
    release.space.kubectl("create", "quota", "small", "--hard=requests.memory=200Mi")
    try:
        until("the quota to be counted", lambda: release.space.get("quota", "small").get("status"), within_s=20)
        yield Look({})
    finally:
        release.space.kubectl("delete", "quota", "small")


@contextlib.contextmanager
def _gated(release: Release) -> Iterator[Look]:
    release.space.serve("hub", INSIDE / "hub.py", ["9000", "good"], 9000)
    release.space.secret("hf", {"HF_TOKEN": "of-somebody-else"})
    env = {"HF_ENDPOINT": f"http://hub.{release.space.name}.svc.cluster.local:9000"}
    yield Look(
        {"predictor": {"tokenSecret": {"name": "hf"}, "runtimes": {"tgi": {"env": env}}}}, ("--probe", "--yes"), GPU
    )


@contextlib.contextmanager
def _other_vectors(release: Release) -> Iterator[Look]:
    release.space.serve("qdrant", FAKES / "qdrant_server.py", ["6333"], 6333)
    release.space.kubectl("exec", "qdrant", "--", "python", "-c", _PUT)
    yield Look({"config": {"vectors": {"url": "http://qdrant:6333"}}})


@contextlib.contextmanager
def _shut(release: Release) -> Iterator[Look]:
    """The gateway's policy lets it ask for names, and nothing else."""
    policy = ("networkpolicy", f"{release.name}-gateway")
    rules = release.space.get(*policy)["spec"]["egress"]
    _egress(release, [each for each in rules if any(port.get("port") == 53 for port in each.get("ports", ()))])
    try:
        yield Look({}, ("--probe", "--yes"), live=True)
    finally:
        _egress(release, rules)


@contextlib.contextmanager
def _no_dns(release: Release) -> Iterator[Look]:
    dns = ("-n", "kube-system", "scale", "deployment", "coredns")
    release.space.cluster.kubectl(*dns, "--replicas=0")
    try:
        yield Look({}, live=True)
    finally:
        release.space.cluster.kubectl(*dns, "--replicas=1")
        release.space.cluster.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s")


def _egress(release: Release, rules: list[Object]) -> None:
    patch = json.dumps([{"op": "replace", "path": "/spec/egress", "value": rules}])
    release.space.kubectl("patch", "networkpolicy", f"{release.name}-gateway", "--type=json", "-p", patch)


@contextlib.contextmanager
def _node(release: Release, gpus: str) -> Iterator[None]:
    """A node of the pool, as NVIDIA's parts would report it; no kubelet is behind it."""
    cluster = release.space.cluster
    labels = {"tandem.dev/pool": "gpu-a10g", "tandem.dev/gpu-memory": "24Gi"}
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": _NODE, "labels": labels}})
    room = {"cpu": "8", "memory": "64Gi", "pods": "10", "nvidia.com/gpu": gpus}
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated"}
    status = {
        "capacity": room,
        "allocatable": room,
        "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
    }
    patch = json.dumps({"status": status})
    cluster.kubectl("patch", "node", _NODE, "--subresource=status", "--type=merge", "--patch", patch)
    try:
        until("the node to be open", lambda: not cluster.get("node", _NODE)["spec"].get("taints"), within_s=30)
        yield
    finally:
        cluster.kubectl("delete", "node", _NODE)


FAULTS = (
    Fault("no node with the GPU pool's label", _said({}, (), GPU), "unschedulable", "tandem.dev/", "kubectl label node"),
    Fault("GPU node without a driver", _no_driver, "gpu-driver", _NODE, "GPU operator"),
    Fault("every GPU is taken", _taken, "no-room", "nvidia.com/gpu", "add nodes"),
    Fault(
        "a StorageClass that is not there",
        _said({"retriever": {"persistence": {"storageClass": "fast"}}}),
        "claim-pending", "'fast'", "storageClass",
    ),
    Fault("a quota that is too small", _quota, "quota", "requests.memory", "raise it"),
    Fault(
        "a model that outgrows the GPU",
        _said({"predictor": {"model": {"uri": "hf://meta-llama/Llama-3.1-8B-Instruct:main", "quantization": ""}}}, (), GPU),
        "vram", "llama-3.1-8b in fp16", "maxConcurrentRequests",
    ),
    Fault(
        "an API that is not installed",
        _said({"monitoring": {"podMonitor": {"enabled": True}}}),
        "api-missing", "PodMonitor", "install prometheus-operator",
    ),
    Fault(
        "a Secret that is not there",
        _said({"existingSecrets": {"vectors": {"name": "absent"}}}),
        "secret-missing", "'absent'", "kubectl create secret generic absent",
    ),
    Fault("a token that may not read the model", _gated, "model-unread", "gated", "accept the model's terms"),
    Fault(
        "an image that cannot be pulled",
        _said({"image": {"repository": "registry.invalid/absent", "tag": "1"}}, ("--probe", "--yes")),
        "image-pull", "registry.invalid/absent:1", "imagePullSecrets",
    ),
    Fault("vectors of another embedder", _other_vectors, "vectors-size", "8 dimensions", "config.embedder"),
    Fault("a policy that shuts a declared path", _shut, "path-blocked", "predictor", "networkPolicy.extraEgress.gateway"),
    Fault("no DNS in the cluster", _no_dns, "dns-down", "DNS", "k8s-app=kube-dns"),
)  # fmt: skip
