"""What of a release is worth reaching from a desk, and the pod behind each at this moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from tandem.domain.errors import ConfigurationError
from tandem.platform import addresses, helm
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.endpoints import ready, slices
from tandem.platform.facts import Facts
from tandem.platform.objects import COMPONENT, INSTANCE, Object, at, labels_of, name_of

QDRANT = "qdrant"
_PORTS = {"gateway": 8000, "retriever": 8001, "predictor": 8080, QDRANT: 6333, "metrics": 9090}
_NAMES = {"the predictor": "predictor", addresses.QDRANT: QDRANT}
_WEB = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """A Service and one of its ports; `local` is the port that it is best known by here."""

    name: str
    namespace: str
    service: str
    port: int
    local: int


@dataclass(frozen=True, slots=True)
class Destination:
    """A pod that takes connections, and the port that it listens on."""

    pod: str
    port: int


def places(cluster: Cluster, release: str) -> list[Place]:
    """Gateway, retriever, predictor, Qdrant, and the Prometheus that scaling asks, as far as there are any. Raises `ConfigurationError`
    when there is no such release, or it may not be read.
    """
    home = cluster.namespace
    of_release = {"labelSelector": f"{INSTANCE}={release}"}
    try:
        services = cluster.items(f"/api/v1/namespaces/{home}/services", **of_release)
        deployments = cluster.items(f"/apis/apps/v1/namespaces/{home}/deployments", **of_release)
        configs = cluster.items(f"/api/v1/namespaces/{home}/configmaps", **of_release)
    except Refused as refused:
        raise ConfigurationError(
            f"The Services of {home} cannot be read: {refused.message}",
            hint="docs/debugging.md lists the rights that this needs.",
        ) from refused
    objects = {"Deployment": deployments, "ConfigMap": configs}
    facts = Facts(release, home, cluster.server().now, frozenset(), objects)
    found = {place.name: place for place in (*_elsewhere(cluster, facts), *_own(services, home))}
    if not found:
        raise ConfigurationError(
            f"There is no release {release} in the namespace {home} of context {cluster.context or '(this pod)'}.",
            hint="Check --context, --namespace and --release; helm list --all-namespaces shows what is installed.",
        )
    return [found[name] for name in _PORTS if name in found]


def place_at(name: str, url: str, home: str) -> Place | None:
    """The Service and the port that a URL leads to; None where it leads to none of this cluster."""
    service, namespace = addresses.service(url, home)
    parts = urlsplit(url)
    return Place(name, namespace, service, parts.port or _WEB.get(parts.scheme, 80), _PORTS[name]) if service else None


def destination(cluster: Cluster, place: Place) -> Destination | None:
    """None while no pod behind the Service is ready. Raises `Refused`."""
    service = cluster.read(f"/api/v1/namespaces/{place.namespace}/services/{place.service}")
    ports = at(service, "spec", "ports", default=())
    name = next((each.get("name") or "" for each in ports if each.get("port") == place.port), None)
    for each in slices(cluster, place.namespace, place.service):
        port = next((at(one, "port") for one in each.get("ports") or () if (one.get("name") or "") == name), None)
        for endpoint in ready(each):
            pod = at(endpoint, "targetRef", "name")
            if port and pod:
                return Destination(str(pod), int(port))
    return None


def _own(services: tuple[Object, ...], home: str) -> Iterator[Place]:
    for service in services:
        component = labels_of(service).get(COMPONENT, "")
        # The headless one of a StatefulSet has the same ports.
        if component in {"gateway", "retriever"} and at(service, "spec", "clusterIP") != "None":
            port = int(at(service, "spec", "ports", default=({},))[0].get("port") or 80)
            yield Place(component, home, name_of(service), port, _PORTS[component])


def _elsewhere(cluster: Cluster, facts: Facts) -> Iterator[Place]:
    named = [(_NAMES[role], url) for role, url in addresses.peers(facts) if role in _NAMES]
    named += [("metrics", url) for url in _prometheus(cluster, facts)]
    for name, url in named:
        place = place_at(name, url, facts.namespace)
        try:
            if place:
                cluster.read(f"/api/v1/namespaces/{place.namespace}/services/{place.service}", metadata_only=True)
                yield place
        except Refused:
            # Not there, or not to be seen: nothing to forward to.
            continue


def _prometheus(cluster: Cluster, facts: Facts) -> list[str]:
    selector = f"owner=helm,name={facts.release}"
    try:
        records = cluster.items(f"/api/v1/namespaces/{facts.namespace}/secrets", labelSelector=selector)
    except Refused:
        return []
    newest = helm.latest(records)
    release = None if newest is None else helm.installed(newest)
    values = release.values if release else {}
    asked = [at(values, component, "autoscaling", "prometheus") for component in ("predictor", "gateway")]
    return [str(url) for url in asked if url][:1]
