"""Which pods a Service leads to at this moment."""

from collections.abc import Iterator

from tandem.platform.cluster import Cluster
from tandem.platform.objects import Object, at


def slices(cluster: Cluster, namespace: str, service: str) -> tuple[Object, ...]:
    """The EndpointSlices of a Service: each has ports and endpoints. Raises `Refused`."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    return cluster.items(path, labelSelector=f"kubernetes.io/service-name={service}")


def ready(endpoints: Object) -> Iterator[Object]:
    """Those of a slice that take connections."""
    for each in endpoints.get("endpoints") or ():
        if at(each, "conditions", "ready", default=True):
            yield each
