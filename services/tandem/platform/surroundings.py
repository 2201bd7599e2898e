"""The cluster around a release: its server, its DNS, and what other pods have taken of its nodes."""

from collections.abc import Mapping
from decimal import Decimal

from tandem.platform.cluster import Cluster, Refused, Server
from tandem.platform.endpoints import ready, slices
from tandem.platform.facts import Around
from tandem.platform.objects import INSTANCE, at, labels_of, name_of
from tandem.platform.placement import requested

_DNS = "k8s-app=kube-dns"
_SYSTEM = "kube-system"


def around(cluster: Cluster, server: Server, here_s: float, release: str | None) -> Around:
    """`here_s`: this machine's clock when the server told its own. What is used is only looked at for a `release` to be placed."""
    return Around(
        server.version,
        server.now.timestamp() - here_s,
        _dns(cluster),
        {} if release is None else _used(cluster, release),
        release is not None and _grows(cluster),
    )


def _dns(cluster: Cluster) -> int | None:
    try:
        services = cluster.items(f"/api/v1/namespaces/{_SYSTEM}/services", labelSelector=_DNS)
        found = [one for each in services for one in slices(cluster, _SYSTEM, name_of(each))]
        return sum(1 for each in found for _ in ready(each)) if services else None
    except Refused:
        return None


def _used(cluster: Cluster, release: str) -> Mapping[str, Mapping[str, Decimal]]:
    """What pods of this release have is theirs again when they are replaced."""
    try:
        pods = cluster.items("/api/v1/pods", fieldSelector="status.phase!=Succeeded,status.phase!=Failed")
    except Refused:
        return {}
    used: dict[str, dict[str, Decimal]] = {}
    for pod in pods:
        node = at(pod, "spec", "nodeName")
        if node and labels_of(pod).get(INSTANCE) != release:
            taken = used.setdefault(str(node), {})
            for resource, amount in {**requested(pod), "pods": Decimal(1)}.items():
                taken[resource] = taken.get(resource, Decimal(0)) + amount
    return used


def _grows(cluster: Cluster) -> bool:
    """Whether the cluster autoscaler is there: a node that is missing may come."""
    try:
        cluster.read(f"/api/v1/namespaces/{_SYSTEM}/configmaps/cluster-autoscaler-status", metadata_only=True)
    except Refused:
        return False
    return True
