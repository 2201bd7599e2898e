"""What a person would look at after a failure: events, pods that are not ready, and what their containers said."""

from collections.abc import Iterator

from e2e.cluster import Cluster, Object
from e2e.commands import CommandFailed

_LINES = 60


def diagnose(cluster: Cluster, namespace: str) -> str:
    """All of it as text; what cannot be had is told in its place."""
    parts = [
        ("objects", ("get", "all,networkpolicies,pvc", "-o", "wide")),
        ("events", ("get", "events", "--sort-by=.lastTimestamp")),
        *_of_pods(cluster, namespace),
    ]
    return "\n".join(f"--- {title}\n{_said(cluster, namespace, arguments)}" for title, arguments in parts)


def _of_pods(cluster: Cluster, namespace: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    try:
        pods = cluster.items("pods", "--namespace", namespace)
    except CommandFailed as error:
        yield f"no pods: {error}", ("get", "pods")
        return
    for pod in pods:
        name = pod["metadata"]["name"]
        if not _ready(pod):
            yield f"{name} is not ready", ("describe", "pod", name)
        for container in pod["status"].get("containerStatuses", ()):
            which = (name, "-c", container["name"], f"--tail={_LINES}")
            yield f"log of {name}/{container['name']}", ("logs", *which)
            if container["restartCount"]:
                yield f"log before the restart of {name}/{container['name']}", ("logs", "--previous", *which)


def _ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _said(cluster: Cluster, namespace: str, arguments: tuple[str, ...]) -> str:
    try:
        return cluster.kubectl("--namespace", namespace, *arguments, timeout_s=20)
    except CommandFailed as error:
        return error.said
