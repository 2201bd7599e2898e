"""Everything that the rules want to know of a cluster, read in one go; what may not be read is noted, not fatal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tandem.platform import addresses, helm, operators, vectors
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.endpoints import ready, slices
from tandem.platform.facts import Facts, Installed, Peer, Presence, Seen
from tandem.platform.objects import INSTANCE, Object, at, component_of, container_states, name_of
from tandem.platform.planned import Planned
from tandem.platform.references import secrets_wanted
from tandem.platform.surroundings import around

_LINES = 40
_OWN_PORT = 8000
_OWN = frozenset({"gateway", "retriever", "worker"})


@dataclass(frozen=True, slots=True)
class _Kind:
    """`api` with version; `labelled`: only those of the release; `namespaced`: only those of its namespace."""

    kind: str
    api: str
    plural: str
    labelled: bool = True
    namespaced: bool = True

    def path(self, namespace: str) -> str:
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if self.namespaced else f"{root}/{self.plural}"


_KINDS = (
    _Kind("Pod", "v1", "pods"),
    _Kind("Deployment", "apps/v1", "deployments"),
    _Kind("StatefulSet", "apps/v1", "statefulsets"),
    _Kind("ConfigMap", "v1", "configmaps"),
    _Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims", labelled=False),
    _Kind("Event", "v1", "events", labelled=False),
    _Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers", labelled=False),
    _Kind("InferenceService", "serving.kserve.io/v1beta1", "inferenceservices"),
    _Kind("ScaledObject", "keda.sh/v1alpha1", "scaledobjects"),
    _Kind("Node", "v1", "nodes", labelled=False, namespaced=False),
    _Kind("StorageClass", "storage.k8s.io/v1", "storageclasses", labelled=False, namespaced=False),
    _Kind("PersistentVolume", "v1", "persistentvolumes", labelled=False, namespaced=False),
    _Kind("ResourceQuota", "v1", "resourcequotas", labelled=False),
    _Kind("LimitRange", "v1", "limitranges", labelled=False),
)
# What the cluster brings, whatever is planned for it.
_GIVEN = frozenset({"PersistentVolumeClaim", "Node", "StorageClass", "PersistentVolume", "ResourceQuota", "LimitRange"})
_PLANNED = frozenset({"Deployment", "StatefulSet", "ConfigMap", "Pod"})


@dataclass(slots=True)
class _Notes:
    """What is read as it comes in."""

    objects: dict[str, tuple[Object, ...]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def gather(cluster: Cluster, release: str, here_s: Callable[[], float]) -> Facts:
    """`here_s` is this machine's clock. Raises `UpstreamUnavailable` or `Unauthenticated` when there is no reading this cluster at all."""
    server = cluster.server()
    surroundings = around(cluster, server, here_s(), None)
    apis = served(cluster)
    notes = _Notes()
    for kind in _KINDS:
        if "." not in kind.api or kind.api in apis:
            _list(cluster, kind, release, notes)
    first = Facts(release, cluster.namespace, server.now, apis, notes.objects)
    peers = _peers(cluster, first)
    return Facts(
        release,
        cluster.namespace,
        server.now,
        apis,
        objects=notes.objects,
        installed=_installed(cluster, release, notes),
        unread=notes.unread,
        secrets=_secrets(cluster, first),
        logs=_logs(cluster, first),
        controllers=operators.available(cluster),
        peers=peers,
        seen=_seen(cluster, first, notes),
        around=surroundings,
        stored=vectors.stored(cluster, first, peers),
    )


def foresee(
    cluster: Cluster, release: str, here_s: Callable[[], float], plan: Callable[[str], Planned]
) -> tuple[Facts, Planned]:
    """The same of a release that `plan` would make on a server of that version: its workloads as if they were there."""
    server = cluster.server()
    surroundings = around(cluster, server, here_s(), release)
    planned = plan(server.version)
    apis = served(cluster)
    notes = _Notes()
    for kind in _KINDS:
        if kind.kind in _GIVEN:
            _list(cluster, kind, release, notes)
    _namespace(cluster, notes)
    theirs = notes.objects.get("PersistentVolumeClaim", ())
    there = {name_of(claim) for claim in theirs}
    claims = (each for each in planned.objects.get("PersistentVolumeClaim", ()) if name_of(each) not in there)
    objects = notes.objects | {kind: planned.objects.get(kind, ()) for kind in _PLANNED}
    objects["PersistentVolumeClaim"] = (*theirs, *claims)
    before = _installed(cluster, release, notes)
    installed = Installed("planned", before.revision if before else 0, "", "", planned.needs, planned.values)
    first = Facts(release, cluster.namespace, server.now, apis, objects, installed, planned=True, around=surroundings)
    own = {name_of(each) for kind in ("Service", "Deployment") for each in planned.objects.get(kind, ())}
    peers = _peers(cluster, first, frozenset(own))
    return (
        replace(
            first,
            unread=notes.unread,
            secrets=_secrets(cluster, first),
            controllers=operators.available(cluster),
            peers=peers,
            stored=vectors.stored(cluster, first, peers),
        ),
        planned,
    )


def _namespace(cluster: Cluster, notes: _Notes) -> None:
    try:
        notes.objects["Namespace"] = (cluster.read(f"/api/v1/namespaces/{cluster.namespace}"),)
    except Refused as refused:
        if refused.status == 404:
            notes.objects["Namespace"] = ()


def served(cluster: Cluster) -> frozenset[str]:
    """Each API group with version that the server knows."""
    groups = cluster.read("/apis").get("groups") or []
    return frozenset(str(version["groupVersion"]) for group in groups for version in group.get("versions") or ())


def _list(cluster: Cluster, kind: _Kind, release: str, notes: _Notes) -> None:
    query = {"labelSelector": f"{INSTANCE}={release}"} if kind.labelled else {}
    try:
        notes.objects[kind.kind] = cluster.items(kind.path(cluster.namespace), **query)
    except Refused as refused:
        if refused.status != 404:
            notes.unread[kind.plural] = refused.message


def _installed(cluster: Cluster, release: str, notes: _Notes) -> Installed | None:
    try:
        secrets = cluster.items(
            f"/api/v1/namespaces/{cluster.namespace}/secrets", labelSelector=f"owner=helm,name={release}"
        )
    except Refused as refused:
        if refused.status != 404:
            notes.unread["secrets"] = refused.message
        return None
    newest = helm.latest(secrets)
    return None if newest is None else helm.installed(newest)


def _secrets(cluster: Cluster, facts: Facts) -> Mapping[str, Presence]:
    """Whether they are there. Their values are not asked for: the server leaves them out."""
    found = {}
    for name in sorted(secrets_wanted(facts)):
        try:
            cluster.read(f"/api/v1/namespaces/{facts.namespace}/secrets/{name}", metadata_only=True)
            found[name] = Presence.present
        except Refused as refused:
            found[name] = Presence.missing if refused.status == 404 else Presence.unknown
    return found


def _logs(cluster: Cluster, facts: Facts) -> Mapping[tuple[str, str], str]:
    """Of containers that fail, or are not ready: what they said before they ended, else what they say."""
    said = {}
    for pod in facts.of("Pod"):
        for state in container_states(pod):
            if state.get("ready") and not state.get("restartCount"):
                continue
            text = _log(cluster, facts.namespace, name_of(pod), state)
            if text:
                said[name_of(pod), str(state["name"])] = text
    return said


def _log(cluster: Cluster, namespace: str, pod: str, state: Object) -> str:
    for previous in (True, False) if state.get("restartCount") else (False,):
        try:
            text = cluster.log(namespace, pod, str(state["name"]), previous=previous, lines=_LINES)
        except Refused:
            continue
        # The kubelet's answer, with status 200, once the container before has been cleared away.
        if not text.startswith("unable to retrieve container logs"):
            return text
    return ""


def _peers(cluster: Cluster, facts: Facts, own: frozenset[str] = frozenset()) -> tuple[Peer, ...]:
    """`own` Services are still to come."""
    found = [(role, url, addresses.service(url, facts.namespace)) for role, url in addresses.peers(facts)]
    return tuple(
        _peer(cluster, role, url, *where)
        for role, url, where in found
        if where[1] != facts.namespace or where[0] not in own
    )


def _peer(cluster: Cluster, role: str, url: str, service: str, namespace: str) -> Peer:
    if not service:
        return Peer(role, url, "", "", Presence.unknown, 0)
    try:
        cluster.read(f"/api/v1/namespaces/{namespace}/services/{service}")
        endpoints = [one for each in slices(cluster, namespace, service) for one in ready(each)]
    except Refused as refused:
        presence = Presence.missing if refused.status == 404 else Presence.unknown
        return Peer(role, url, service, namespace, presence, 0)
    pods = [str(at(each, "targetRef", "name")) for each in endpoints if at(each, "targetRef", "kind") == "Pod"]
    return Peer(role, url, service, namespace, Presence.present, len(endpoints), pods[0] if pods else "")


def _seen(cluster: Cluster, facts: Facts, notes: _Notes) -> Mapping[str, Seen]:
    found = {}
    for pod in facts.of("Pod"):
        if component_of(pod) in _OWN and at(pod, "status", "phase") == "Running":
            try:
                found[name_of(pod)] = _ask(cluster, facts.namespace, name_of(pod))
            except Refused as refused:
                if refused.status in {401, 403}:
                    notes.unread["pods/portforward"] = refused.message
    return found


def _ask(cluster: Cluster, namespace: str, pod: str) -> Seen:
    ready = cluster.ask(namespace, pod, _OWN_PORT, "/readyz")
    metrics = cluster.ask(namespace, pod, _OWN_PORT, "/metrics")
    return Seen(addresses.state(ready.body) or str(ready.status), metrics.body if metrics.status == 200 else "")
