"""Pods that no node takes: which label, taint or resource it is."""

from collections.abc import Iterator, Sequence

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity
from tandem.platform.objects import Object, at, component_of, condition, labels_of, name_of
from tandem.platform.placement import (
    GPU,
    allocatable,
    blocking_taints,
    has_label,
    matching,
    requested,
    shown,
    wanted_labels,
)

_CORDONED = "node.kubernetes.io/unschedulable"
_ILL = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
_COMING = frozenset({"TriggeredScaleUp", "Nominated"})


def scheduling(facts: Facts) -> Iterator[Finding]:
    """Told by the nodes where they may be read, else in the scheduler's words."""
    for pod in facts.of("Pod"):
        scheduled = condition(pod, "PodScheduled")
        if scheduled is None or scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
            continue
        message = " ".join(str(scheduled.get("message", "")).split())
        if coming := _coming(facts, pod):
            yield coming
        elif "persistentvolumeclaim" not in message.lower():
            # It waits for its volume otherwise, which is told of the claim.
            yield _why(facts, pod, message)


def _coming(facts: Facts, pod: Object) -> Finding | None:
    """A node is on its way: then waiting is right."""
    latest = [event for event in facts.events("Pod", name_of(pod)) if event.get("reason") != "FailedScheduling"][-1:]
    if not latest or latest[0].get("reason") not in _COMING:
        return None
    return Finding(
        "node-coming",
        f"pod/{name_of(pod)}",
        f"waits for a node that is being made: {' '.join(str(latest[0].get('message', '')).split())}",
        "wait; a GPU node takes some minutes",
        component_of(pod),
        Severity.note,
    )


def _why(facts: Facts, pod: Object, message: str) -> Finding:
    nodes = facts.of("Node")
    problem, fix = (obstacle(pod, nodes) if nodes else None) or _by_the_scheduler(pod, message)
    return Finding("unschedulable", f"pod/{name_of(pod)}", problem, fix, component_of(pod))


def obstacle(pod: Object, nodes: Sequence[Object]) -> tuple[str, str] | None:
    """What keeps it from every node, were they empty, and the fix."""
    return _labels(pod, nodes) or _taints(pod, nodes) or _sizes(pod, nodes)


def _labels(pod: Object, nodes: Sequence[Object]) -> tuple[str, str] | None:
    for key, values in wanted_labels(pod):
        if any(has_label(node, key, values) for node in nodes):
            continue
        label = f"{key}={'|'.join(sorted(values))}" if values else key
        there = sorted({labels_of(node)[key] for node in nodes if key in labels_of(node)})
        others = f" (nodes have {key}: {', '.join(there)})" if there else f" (no node has {key} at all)"
        fix = f"add a node pool with that label (manifests/cluster), kubectl label node NODE {label}, or change {_values(pod)}.nodeSelector"
        return f"no node has the label {label}{others}", fix
    if not matching(pod, nodes):
        every = ", ".join(f"{key}={'|'.join(sorted(values))}" for key, values in wanted_labels(pod))
        return (
            f"no single node has all of these labels: {every}",
            f"change {_values(pod)}.nodeSelector, or label a node",
        )
    return None


def _taints(pod: Object, nodes: Sequence[Object]) -> tuple[str, str] | None:
    able = matching(pod, nodes)
    if any(not blocking_taints(pod, node) for node in able):
        return None
    taint = blocking_taints(pod, able[0])[0]
    who = f"the {'only node' if len(able) == 1 else f'{len(able)} nodes'} with the right labels"
    if taint.key == _CORDONED:
        return f"{who}: closed for new pods (cordoned)", f"kubectl uncordon {name_of(able[0])}"
    if taint.key in _ILL:
        return f"{who}: not ready", f"see why: kubectl describe node {name_of(able[0])}"
    toleration = f"{{key: {taint.key}, operator: Exists, effect: {taint.effect}}}"
    return f"{who}: tainted {taint}, which the pod does not tolerate", f"add {toleration} to {_values(pod)}.tolerations"


def _sizes(pod: Object, nodes: Sequence[Object]) -> tuple[str, str] | None:
    """More than even an empty node has."""
    open_to_it = [node for node in matching(pod, nodes) if not blocking_taints(pod, node)]
    for resource, amount in requested(pod).items():
        largest = max(allocatable(node, resource) for node in open_to_it)
        if largest >= amount:
            continue
        if largest == 0 and resource == GPU:
            return (
                f"it asks for {resource}: {shown(resource, amount)}, and no node that it may go to offers any",
                "install NVIDIA's device plugin or GPU operator on the GPU nodes, and wait until it has counted them",
            )
        asks = f"it asks for {resource}: {shown(resource, amount)}"
        has = f"the largest node that it may go to has {shown(resource, largest)}"
        return f"{asks}, and {has}", f"use larger nodes, or lower {_values(pod)}.resources"
    return None


def _by_the_scheduler(pod: Object, message: str) -> tuple[str, str]:
    values = _values(pod)
    short = message.partition(" preemption:")[0]
    lacking = sorted({part.strip(" .").split()[-1] for part in short.split(",") if "Insufficient" in part})
    if lacking:
        return (
            f"the nodes that it may go to are full: too little {', '.join(lacking)} is free ({short})",
            f"add nodes, or lower {values}.resources or the number of replicas",
        )
    if "taint" in short:
        return short, f"add a toleration for that taint to {values}.tolerations"
    if "affinity/selector" in short:
        return short, f"label a node as {values}.nodeSelector wants it, or change the selector"
    return short or "the scheduler has not found a node", f"kubectl describe pod {name_of(pod)} tells the rest"


def _values(pod: Object) -> str:
    """The block of the chart's values."""
    return component_of(pod) or at(pod, "metadata", "labels", "component", default="its workload")
