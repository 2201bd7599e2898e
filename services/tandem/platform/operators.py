"""The operators that a release may need, and whether they run."""

from collections.abc import Mapping
from dataclasses import dataclass

from tandem.platform.cluster import Cluster, Refused
from tandem.platform.objects import at


@dataclass(frozen=True, slots=True)
class Operator:
    """`group` is the API it serves, `selector` finds its Deployment in any namespace."""

    name: str
    group: str
    selector: str
    use: str


OPERATORS = (
    Operator("KServe", "serving.kserve.io", "control-plane=kserve-controller-manager", "runs the predictor"),
    Operator("KEDA", "keda.sh", "app.kubernetes.io/name=keda-operator", "scales gateway and predictor"),
    Operator(
        "prometheus-operator",
        "monitoring.coreos.com",
        # The bundle's name and the chart's; the chart's webhook has that name, too.
        "app.kubernetes.io/name in (prometheus-operator, kube-prometheus-stack-prometheus-operator),"
        "app.kubernetes.io/component!=prometheus-operator-webhook",
        "takes up PodMonitors and PrometheusRules",
    ),
)


def of_group(group: str) -> Operator | None:
    """The operator that serves it."""
    return next((each for each in OPERATORS if each.group == group), None)


def available(cluster: Cluster) -> Mapping[str, int | None]:
    """Available replicas by operator's name; None where no Deployment is found, nothing where that may not be read."""
    found: dict[str, int | None] = {}
    for operator in OPERATORS:
        try:
            deployments = cluster.items("/apis/apps/v1/deployments", labelSelector=operator.selector)
        except Refused:
            continue
        replicas = [int(at(each, "status", "availableReplicas", default=0)) for each in deployments]
        found[operator.name] = sum(replicas) if replicas else None
    return found
