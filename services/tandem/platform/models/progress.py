"""How far a deployed model has come, and what it stands still at: from the scheduler to the first readiness."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tandem.platform.cluster import Cluster, Refused
from tandem.platform.last_words import last_words
from tandem.platform.models.kept import PREFIX
from tandem.platform.models.services import collection
from tandem.platform.objects import Object, at, condition, container_states, is_true, name_of

Stage = Literal["accepted", "scheduling", "image", "download", "load", "warm-up", "ready"]
_OF_SERVICE = "serving.kserve.io/inferenceservice"
_INITIALIZER = "storage-initializer"
# What holds what is downloaded: the engine's own cache, and what KServe's initializer fills.
_DOWNLOADED = frozenset({"cache", "kserve-provision-location"})
_LINES = 60
_NO_PROGRESS = frozenset({"ContainerCreating", "PodInitializing"})
# Nothing comes of waiting.
_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError"})
_NOT_PULLED = "ErrImagePull"
_CRASHES = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """`said` is what the cluster says of the stage. `done` bytes have come. `over`: nothing comes of waiting any longer."""

    stage: Stage
    said: str = ""
    done: int | None = None
    pod: str = ""
    over: bool = False


def look(cluster: Cluster, service: str, version: str) -> Progress:
    """The newest pod of that version now; empty: of what Helm installed. Raises `Refused` when the InferenceService is not there,
    or may not be read.
    """
    found = cluster.read(f"{collection(cluster)}/{service}")
    pods = cluster.items(f"/api/v1/namespaces/{cluster.namespace}/pods", labelSelector=f"{_OF_SERVICE}={service}")
    # One on its way out is no pod to wait for, but while it is Ready it answers on connections that it has.
    leaving = [pod for pod in pods if at(pod, "metadata", "deletionTimestamp") is not None]
    staying = [pod for pod in pods if pod not in leaving]
    ours = [pod for pod in staying if _version(pod) == version]
    newest = max(ours, key=lambda pod: str(at(pod, "metadata", "creationTimestamp", default="")), default=None)
    if newest is None and not staying and at(found, "spec", "predictor", "minReplicas") == 0:
        return Progress("ready", "it sleeps until it is asked")
    if newest is None:
        return Progress("accepted", _why_no_pod(cluster, found))
    if is_true(newest, "Ready"):
        others = [pod for pod in (*staying, *leaving) if _version(pod) != version]
        if before := sum(pod in staying or is_true(pod, "Ready") for pod in others):
            return Progress("warm-up", f"pods of the model before that still answer: {before}", pod=name_of(newest))
        return Progress("ready" if is_true(found, "Ready") else "warm-up", _faults(found), pod=name_of(newest))
    return _of_pod(cluster, newest)


def _version(pod: Object) -> str:
    return str(at(pod, "metadata", "annotations", f"{PREFIX}model-version", default=""))


def _of_pod(cluster: Cluster, pod: Object) -> Progress:
    name = name_of(pod)
    scheduled = condition(pod, "PodScheduled")
    if not at(pod, "spec", "nodeName") and not (scheduled and scheduled.get("status") == "True"):
        return Progress("scheduling", _one_line((scheduled or {}).get("message")), pod=name)
    for state in container_states(pod):
        waiting = at(state, "state", "waiting", "reason")
        if state.get("name") == _INITIALIZER and at(state, "state", "running") is not None:
            said = last_words(_log(cluster, name, _INITIALIZER))
            return Progress("download", said, _bytes(cluster, pod), name)
        if waiting and waiting not in _NO_PROGRESS:
            return _held_up(cluster, name, state, str(waiting))
    if any(at(state, "state", "running") is not None for state in at(pod, "status", "containerStatuses", default=())):
        return _running(cluster, pod)
    return Progress("image", _latest_event(cluster, name), pod=name)


def _held_up(cluster: Cluster, pod: str, state: Object, reason: str) -> Progress:
    """An image that does not come, a container that does not stay."""
    if reason != "CrashLoopBackOff":
        message = _one_line(at(state, "state", "waiting", "message"))
        if reason == "ImagePullBackOff" and _NOT_PULLED in message:
            # Between two tries it is the same fault: a line that changes all the time would look like progress.
            reason, message = _NOT_PULLED, message.partition(f"{_NOT_PULLED}: ")[2]
        return Progress("image", f"{reason}: {message}".rstrip(": "), pod=pod, over=reason in _HOPELESS)
    log = _log(cluster, pod, str(state["name"]), previous=True)
    restarts = int(state.get("restartCount") or 0)
    stage: Stage = "download" if state.get("name") == _INITIALIZER else "load"
    return Progress(stage, f"ended {restarts} times: {last_words(log)}", pod=pod, over=restarts >= _CRASHES)


def _running(cluster: Cluster, pod: Object) -> Progress:
    """By what the engine writes; the words are TGI's, vLLM's and Tandem's own."""
    name = name_of(pod)
    log = _log(cluster, name, "kserve-container")
    lower, said = log.lower(), last_words(log) if log.strip() else ""
    if "warming up" in lower or "graph capturing" in lower:
        return Progress("warm-up", said, pod=name)
    if "download" in lower and "successfully downloaded" not in lower and "loading" not in lower:
        return Progress("download", said, _bytes(cluster, pod), name)
    return Progress("load", said, pod=name)


def _log(cluster: Cluster, pod: str, container: str, *, previous: bool = False) -> str:
    try:
        return cluster.log(cluster.namespace, pod, container, previous=previous, lines=_LINES)
    except Refused:
        return ""


def _bytes(cluster: Cluster, pod: Object) -> int | None:
    """On the volumes that are downloaded to, as the kubelet measures them; None where it may not be asked."""
    node, uid = at(pod, "spec", "nodeName"), at(pod, "metadata", "uid")
    try:
        told = cluster.read(f"/api/v1/nodes/{node}/proxy/stats/summary")
    except Refused:
        return None
    for each in told.get("pods") or ():
        if at(each, "podRef", "uid") == uid:
            used = [
                int(one.get("usedBytes") or 0) for one in each.get("volume") or () if one.get("name") in _DOWNLOADED
            ]
            return max(used, default=None)
    return None


def _why_no_pod(cluster: Cluster, service: Object) -> str:
    said = _faults(service)
    name = name_of(service)
    # Of what KServe makes of it too: a Deployment, its ReplicaSets. A name that only begins alike is another service's, and pods
    # are those of another version.
    made = f"{name}-predictor"
    events = (each for each in _events(cluster) if each.get("type") == "Warning")
    about = (
        (str(at(each, "involvedObject", "name", default="")), each)
        for each in events
        if at(each, "involvedObject", "kind") != "Pod"
    )
    warnings = [_one_line(each.get("message")) for of, each in about if of in {name, made} or of.startswith(f"{made}-")]
    return warnings[-1] if warnings else said or "KServe has made no pod yet"


def _faults(service: Object) -> str:
    """The first condition that does not hold, in KServe's words."""
    for each in at(service, "status", "conditions", default=()):
        if each.get("status") == "False" and each.get("message"):
            return f"{each.get('type')}: {_one_line(each['message'])}"
    return ""


def _latest_event(cluster: Cluster, pod: str) -> str:
    found = [each for each in _events(cluster) if at(each, "involvedObject", "name") == pod]
    return _one_line(found[-1].get("message")) if found else ""


def _events(cluster: Cluster) -> Iterator[Object]:
    """Oldest first; none where they may not be read."""
    try:
        found = cluster.items(f"/api/v1/namespaces/{cluster.namespace}/events")
    except Refused:
        return
    yield from sorted(found, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))


def _one_line(text: object) -> str:
    return " ".join(str(text or "").split())
