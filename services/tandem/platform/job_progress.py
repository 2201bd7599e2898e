"""How far a Job with an index per pod has come, a line per shard."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tandem.platform.cluster import Cluster, Refused
from tandem.platform.objects import Object, at, condition, container_states, is_true, name_of

_INDEX = "batch.kubernetes.io/job-completion-index"
State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class ShardState:
    """One shard; `said` is the last line of its newest pod's log, or why that does not run."""

    index: int
    state: State
    said: str
    tries: int


@dataclass(frozen=True, slots=True)
class JobState:
    """All shards, in order. `over` is None while the Job goes on, then whether all went well; `why` says what did not."""

    shards: tuple[ShardState, ...]
    over: bool | None
    why: str


def look(cluster: Cluster, name: str) -> JobState:
    """The Job now. Raises `Refused` when it is not there, or may not be read."""
    root = f"/api/v1/namespaces/{cluster.namespace}/pods"
    job = cluster.read(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs/{name}")
    pods = _by_index(cluster.items(root, labelSelector=f"batch.kubernetes.io/job-name={name}"))
    done = _indexes(str(at(job, "status", "completedIndexes", default="")))
    failed = _indexes(str(at(job, "status", "failedIndexes", default="")))
    shards = tuple(
        _shard(cluster, index, pods.get(index, ()), index in done, index in failed)
        for index in range(int(at(job, "spec", "completions", default=1)))
    )
    if is_true(job, "Complete"):
        return JobState(shards, True, "")
    fault = condition(job, "Failed")
    if fault is not None and fault.get("status") == "True":
        return JobState(shards, False, str(fault.get("message") or fault.get("reason") or "failed"))
    return JobState(shards, None, "")


def _shard(cluster: Cluster, index: int, pods: tuple[Object, ...], done: bool, failed: bool) -> ShardState:
    newest = pods[-1] if pods else {}
    phase = at(newest, "status", "phase", default="Pending")
    done = done or phase == "Succeeded"
    state: State = "done" if done else "failed" if failed else "running" if phase == "Running" else "waiting"
    return ShardState(index, state, _said(cluster, newest), len(pods))


def _said(cluster: Cluster, pod: Object) -> str:
    for each in container_states(pod):
        if reason := at(each, "state", "waiting", "reason"):
            return f"{reason}: {at(each, 'state', 'waiting', 'message', default='')}".rstrip(": ")
    if not pod or not tuple(container_states(pod)):
        blocked = condition(pod, "PodScheduled")
        return "" if blocked is None or blocked.get("status") == "True" else str(blocked.get("message", ""))
    try:
        log = cluster.log(cluster.namespace, name_of(pod), "ingest", previous=False, lines=5)
    except Refused:
        return ""
    # Said in the log's place while the container goes away.
    lines = [line.strip() for line in log.splitlines() if line.strip() and not line.startswith("unable to retrieve")]
    return lines[-1] if lines else ""


def _by_index(pods: tuple[Object, ...]) -> Mapping[int, tuple[Object, ...]]:
    """Each shard's pods, the newest last."""
    found: dict[int, list[Object]] = {}
    for pod in sorted(pods, key=lambda each: str(at(each, "metadata", "creationTimestamp", default=""))):
        index = at(pod, "metadata", "labels", _INDEX) or at(pod, "metadata", "annotations", _INDEX)
        if index is not None:
            found.setdefault(int(index), []).append(pod)
    return {index: tuple(each) for index, each in found.items()}


def _indexes(text: str) -> frozenset[int]:
    """`1,3-5` as Kubernetes writes it."""
    return frozenset(_each(text))


def _each(text: str) -> Iterator[int]:
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
