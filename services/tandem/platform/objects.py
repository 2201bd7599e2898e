"""Kubernetes objects as the API server writes them, and how to look into them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

Object = Mapping[str, Any]

COMPONENT = "app.kubernetes.io/component"
INSTANCE = "app.kubernetes.io/instance"


def at(holder: Object, *path: str, default: Any = None) -> Any:
    """What lies at the end of the path; `default` where the path breaks off or ends in null."""
    here: Any = holder
    for step in path:
        if not isinstance(here, Mapping):
            return default
        here = here.get(step)
    return default if here is None else here


def name_of(holder: Object) -> str:
    """Its name."""
    return str(at(holder, "metadata", "name", default=""))


def labels_of(holder: Object) -> Mapping[str, str]:
    """Its labels."""
    found: Mapping[str, str] = at(holder, "metadata", "labels", default={})
    return found


def component_of(holder: Object) -> str:
    """The workload that it belongs to, such as gateway; empty when it has no such label."""
    return labels_of(holder).get(COMPONENT, "")


def condition(holder: Object, kind: str) -> Object | None:
    """The condition of that type in its status."""
    return next((each for each in at(holder, "status", "conditions", default=()) if each.get("type") == kind), None)


def is_true(holder: Object, kind: str) -> bool:
    """Whether the condition of that type holds."""
    found = condition(holder, kind)
    return found is not None and found.get("status") == "True"


def containers(spec: Object) -> Iterator[Object]:
    """Those of a pod's specification, the ones that run first at first."""
    yield from at(spec, "initContainers", default=())
    yield from at(spec, "containers", default=())


def container_states(pod: Object) -> Iterator[Object]:
    """The `containerStatuses` of a pod, init containers at first."""
    yield from at(pod, "status", "initContainerStatuses", default=())
    yield from at(pod, "status", "containerStatuses", default=())


def instant(text: str | None) -> datetime | None:
    """A time as the API writes it."""
    return datetime.fromisoformat(text) if text else None
