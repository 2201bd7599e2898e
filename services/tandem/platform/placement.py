"""Which nodes a pod could go to, and what keeps it from the others: the scheduler's main questions, asked one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity

from tandem.platform.objects import Object, at, labels_of

GPU = "nvidia.com/gpu"
# What the chart's profiles ask for, as a quantity, and what NVIDIA's feature discovery writes, in MiB.
OUR_GPU_MEMORY, THEIR_GPU_MEMORY = "tandem.dev/gpu-memory", "nvidia.com/gpu.memory"
_BLOCKING = frozenset({"NoSchedule", "NoExecute"})


@dataclass(frozen=True, slots=True)
class Taint:
    """`value` is empty for a taint without one."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}{'=' if self.value else ''}{self.value}:{self.effect}"


def wanted_labels(pod: Object) -> list[tuple[str, frozenset[str]]]:
    """Each label that a node must have, with the values that will do (none: any). Of alternatives, the first counts."""
    wanted = [(key, frozenset({value})) for key, value in at(pod, "spec", "nodeSelector", default={}).items()]
    terms = at(
        pod,
        *("spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"),
        default=(),
    )
    wanted += [
        (expression["key"], frozenset(expression.get("values") or ()))
        for term in terms[:1]
        for expression in term.get("matchExpressions") or ()
        if expression.get("operator") in {"In", "Exists"}
    ]
    return wanted


def has_label(node: Object, key: str, values: frozenset[str]) -> bool:
    """Whether the node has that label, with one of the values if any are given."""
    labels = labels_of(node)
    return key in labels and (not values or labels[key] in values)


def matching(pod: Object, nodes: Sequence[Object]) -> list[Object]:
    """The nodes that have all labels that it wants."""
    return [node for node in nodes if all(has_label(node, key, values) for key, values in wanted_labels(pod))]


def gpu_memory_gb(labels: Mapping[str, str]) -> float | None:
    """Of one GPU of a node, by its labels; None where they tell none, or no number."""
    told = [_bytes(labels.get(OUR_GPU_MEMORY)), _bytes(labels.get(THEIR_GPU_MEMORY), "Mi")]
    return min((each / 1e9 for each in told if each is not None), default=None)


def _bytes(quantity: str | None, unit: str = "") -> float | None:
    try:
        return None if quantity is None else float(parse_quantity(f"{quantity}{unit}"))
    except ValueError:
        return None


def blocking_taints(pod: Object, node: Object) -> list[Taint]:
    """Those of the node that the pod does not tolerate."""
    tolerations = at(pod, "spec", "tolerations", default=())
    taints = [
        Taint(taint["key"], taint.get("value") or "", taint.get("effect") or "")
        for taint in at(node, "spec", "taints", default=())
    ]
    return [
        taint
        for taint in taints
        if taint.effect in _BLOCKING and not any(_tolerates(toleration, taint) for toleration in tolerations)
    ]


def _tolerates(toleration: Object, taint: Taint) -> bool:
    if toleration.get("effect") not in {None, "", taint.effect}:
        return False
    key = toleration.get("key") or ""
    if toleration.get("operator") == "Exists":
        return key in {"", taint.key}
    return key == taint.key and (toleration.get("value") or "") == taint.value


def requested(pod: Object) -> Mapping[str, Decimal]:
    """What the pod's containers ask for together; an init container's share counts where it is the larger one."""
    return asked(pod, "limits", "requests")


def asked(pod: Object, *which: str) -> Mapping[str, Decimal]:
    """The same of these parts of `resources`, later ones over earlier ones."""
    total: dict[str, Decimal] = {}
    for resource, amount in _amounts(pod, "containers", which):
        total[resource] = total.get(resource, Decimal(0)) + amount
    for resource, amount in _amounts(pod, "initContainers", which):
        total[resource] = max(total.get(resource, Decimal(0)), amount)
    return total


def _amounts(pod: Object, containers: str, which: tuple[str, ...]) -> Iterator[tuple[str, Decimal]]:
    for container in at(pod, "spec", containers, default=()):
        together: dict[str, str] = {}
        for part in which:
            together |= at(container, "resources", part, default={})
        for resource, amount in together.items():
            yield resource, Decimal(parse_quantity(amount))


def allocatable(node: Object, resource: str) -> Decimal:
    """What the node has of it for pods, used or not."""
    return Decimal(parse_quantity(at(node, "status", "allocatable", resource, default="0")))


def shown(resource: str, amount: Decimal) -> str:
    """As people write it: memory in Gi, the rest as a plain number."""
    if resource in {"memory", "ephemeral-storage"}:
        return f"{float(amount / 2**30):.3g} Gi"
    return f"{float(amount):.3g}"
