"""Objects as the API server writes them, only with what a test is about."""

from datetime import UTC, datetime
from typing import Any

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.objects import COMPONENT, INSTANCE

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EARLIER = "2026-03-01T11:00:00Z"
IMAGE = "registry.example/tandem:1"
JUST_NOW = "2026-03-01T11:59:55Z"
APIS = frozenset(
    {
        "apps/v1",
        "autoscaling/v2",
        "serving.kserve.io/v1beta1",
        "serving.kserve.io/v1alpha1",
        "keda.sh/v1alpha1",
        "monitoring.coreos.com/v1",
    }
)

Json = dict[str, Any]


def facts(*objects: Json, **more: Any) -> Facts:
    """A release called tandem, made of these objects."""
    kinds: dict[str, tuple[Json, ...]] = {}
    for each in objects:
        kinds[each["kind"]] = (*kinds.get(each["kind"], ()), each)
    found: dict[str, Any] = {"release": "tandem", "namespace": "prod", "now": NOW, "apis": APIS, "objects": kinds}
    return Facts(**(found | more))


def one(findings: Any) -> Finding:
    """The only finding."""
    (finding,) = list(findings)
    assert isinstance(finding, Finding)
    assert "\n" not in finding.problem + finding.fix
    return finding


def thing(kind: str, name: str, component: str = "gateway", **fields: Any) -> Json:
    """Any object of the release; `metadata` adds to its own."""
    labels = {INSTANCE: "tandem", **({COMPONENT: component} if component else {})}
    metadata = {"name": name, "creationTimestamp": EARLIER, "labels": labels} | fields.pop("metadata", {})
    return {"kind": kind, "metadata": metadata, **fields}


def pod(
    name: str = "tandem-gateway-1",
    component: str = "gateway",
    *,
    spec: Json | None = None,
    containers: list[Json] | None = None,
    phase: str = "Running",
    ready: bool = False,
    conditions: list[Json] | None = None,
) -> Json:
    """A pod; `containers` are its statuses."""
    own = [{"type": "Ready", "status": str(ready)}]
    return thing(
        "Pod",
        name,
        component,
        spec={"containers": [{"name": component, "image": IMAGE}]} | (spec or {}),
        status={"phase": phase, "conditions": own + (conditions or []), "containerStatuses": containers or []},
    )


def waiting(reason: str, message: str = "", **more: Any) -> Json:
    """The status of a container that waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "name": "gateway",
        "image": IMAGE,
        "ready": False,
        "restartCount": 0,
        "state": state,
    } | more


def ended(code: int, reason: str = "Error", **more: Any) -> Json:
    """The last end of a container, as `lastState`."""
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": EARLIER, "finishedAt": EARLIER} | more}


def running(*, ready: bool = False, since: str = EARLIER, restarts: int = 0, **more: Any) -> Json:
    """The status of a container that runs."""
    state = {"running": {"startedAt": since}}
    return {"name": "gateway", "image": "x", "ready": ready, "restartCount": restarts, "state": state} | more


def event(about: Json, reason: str, message: str, when: str = EARLIER) -> Json:
    """Something that was reported about an object."""
    return {
        "kind": "Event",
        "metadata": {"name": f"{about['metadata']['name']}.{reason}", "creationTimestamp": when},
        "involvedObject": {"kind": about["kind"], "name": about["metadata"]["name"]},
        "lastTimestamp": when,
        "reason": reason,
        "message": message,
    }


def node(name: str, *, labels: Json | None = None, taints: list[Json] | None = None, **allocatable: str) -> Json:
    """A node with 4 CPUs and 16 Gi, if nothing else is said; `gpu` is NVIDIA's resource."""
    if "gpu" in allocatable:
        allocatable["nvidia.com/gpu"] = allocatable.pop("gpu")
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name} | (labels or {})},
        "spec": {"taints": taints or []},
        "status": {"allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"} | allocatable},
    }


def unscheduled(message: str = "0/1 nodes are available", **spec: Any) -> Json:
    """A predictor's pod that the scheduler has found no node for."""
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod("tandem-predictor-1", "predictor", spec=spec, phase="Pending", conditions=[scheduled])
