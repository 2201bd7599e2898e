"""What was read of a cluster, all of it, before anything is concluded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tandem.platform.objects import Object, at, component_of


class Presence(StrEnum):
    """Whether something is there; `unknown` where that could not be read."""

    present = "present"
    missing = "missing"
    unknown = "unknown"


@dataclass(frozen=True, slots=True)
class Installed:
    """Helm's record of the release: `status` in Helm's words, `needs` the kinds it is made of, by apiVersion."""

    status: str
    revision: int
    description: str
    chart: str
    needs: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that the release calls by a Service's name. `wants` is how many replicas it is meant to have, if known."""

    role: str
    url: str
    service: str
    namespace: str
    presence: Presence
    ready: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What one pod of Tandem's own said itself: the state by /readyz, and its /metrics as text."""

    state: str
    metrics: str


@dataclass(frozen=True, slots=True)
class Facts:
    """`objects` by kind, as the API server wrote them; `unread` names what could not be read, and why.

    `apis` are the served groups with version; `logs` the last lines by pod and container; `secrets` those that pods
    refer to; `controllers` the replicas that are available of each operator, None where it has no Deployment.
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
