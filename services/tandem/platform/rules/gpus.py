"""GPU nodes that offer no GPU."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity
from tandem.platform.objects import Object, at, is_true, labels_of, name_of
from tandem.platform.placement import GPU, allocatable, requested
from tandem.platform.references import pod_specs

_POOL = "tandem.dev/pool"


def gpus(facts: Facts) -> Iterator[Finding]:
    """By their labels they have one, and the driver's device plugin has counted none. A note where nothing here asks for a GPU."""
    wanted = any(requested({"spec": spec}).get(GPU) for _, spec in pod_specs(facts))
    severity = Severity.problem if wanted else Severity.note
    for node in facts.of("Node"):
        if not _labelled(node) or (allocatable(node, GPU) and is_true(node, "Ready")):
            continue
        if allocatable(node, GPU):
            yield Finding(
                "gpu-node-down",
                f"node/{name_of(node)}",
                "this GPU node is not ready",
                f"see why: kubectl describe node {name_of(node)}",
                severity=severity,
            )
            continue
        yield Finding(
            "gpu-driver",
            f"node/{name_of(node)}",
            f"it is a GPU node by its labels, and offers no {GPU}: the driver or its device plugin is missing",
            "install NVIDIA's GPU operator or device plugin (manifests/platform/gpu), and wait until the node tells its GPUs",
            severity=severity,
        )


def _labelled(node: Object) -> bool:
    labels = labels_of(node)
    return labels.get("nvidia.com/gpu.present") == "true" or str(at(labels, _POOL, default="")).startswith("gpu")
