"""What was read of a cluster, all of it, before anything is concluded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tandem.platform.objects import Object, at, component_of


class Presence(StrEnum):
    """Whether something is there; `unknown` where that could not be read."""

    present = "present"
    missing = "missing"
    unknown = "unknown"


@dataclass(frozen=True, slots=True)
class Installed:
    """Helm's record of the release: `status` in Helm's words, `needs` the kinds it is made of, by apiVersion; `values` all of them."""

    status: str
    revision: int
    description: str
    chart: str
    needs: Mapping[str, frozenset[str]]
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Around:
    """The cluster itself. `ahead_s`: by how much its clock is ahead of the one here; `dns`: pods of the cluster's DNS that are ready,
    None where they were not found; `used`: what pods of others ask for, by node; `grows`: nodes are made when they are wanted.
    """

    version: str = ""
    ahead_s: float = 0.0
    dns: int | None = None
    used: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A collection that serves in Qdrant: the size of its vectors, 0 with the `fault` where that could not be read."""

    collection: str
    dimensions: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a pod of one workload tried. `kind`: path, name, hub, embedder, vectors, image, or pod for the pod itself; `outcome`: ok, or a word for the fault."""

    component: str
    kind: str
    target: str
    outcome: str
    said: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that the release calls by a Service's name; `pod` is one that is ready."""

    role: str
    url: str
    service: str
    namespace: str
    presence: Presence
    ready: int
    pod: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one pod of Tandem's own said itself: the state by /readyz, and its /metrics as text."""

    state: str
    metrics: str


@dataclass(frozen=True, slots=True)
class Facts:
    """`objects` by kind, as the API server wrote them; `unread` names what could not be read, and why.

    `apis` are the served groups with version; `logs` the last lines by pod and container; `secrets` those that pods
    refer to; `controllers` the replicas that are available of each operator, None where it has no Deployment. `planned`:
    the workloads are not there yet, they are what a values file would make.
    """

    release: str
    namespace: str
    now: datetime
    apis: frozenset[str]
    objects: Mapping[str, tuple[Object, ...]] = field(default_factory=dict)
    installed: Installed | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Presence] = field(default_factory=dict)
    logs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    controllers: Mapping[str, int | None] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)
    around: Around = Around()
    stored: tuple[Stored, ...] = ()
    tried: tuple[Tried, ...] = ()
    planned: bool = False

    def of(self, kind: str) -> tuple[Object, ...]:
        """The objects of that kind."""
        return self.objects.get(kind, ())

    def known(self, kind: str) -> bool:
        """Whether that kind could be read at all."""
        return kind in self.objects

    def pods(self, component: str) -> tuple[Object, ...]:
        """The pods of one workload."""
        return tuple(pod for pod in self.of("Pod") if component_of(pod) == component)

    def serves(self, group: str) -> bool:
        """Whether the API server knows that group, in any version."""
        return any(api.partition("/")[0] == group for api in self.apis)

    def events(self, kind: str, name: str) -> list[Object]:
        """What was reported about that object, the latest at the end."""
        about = [
            event
            for event in self.of("Event")
            if at(event, "involvedObject", "kind") == kind and at(event, "involvedObject", "name") == name
        ]
        return sorted(about, key=_when)

    def present(self) -> bool:
        """Whether there is anything of this release in the namespace."""
        return self.installed is not None or any(self.of(kind) for kind in ("Deployment", "StatefulSet", "Pod"))


def _when(event: Object) -> str:
    return str(
        event.get("lastTimestamp") or event.get("eventTime") or at(event, "metadata", "creationTimestamp", default="")
    )
