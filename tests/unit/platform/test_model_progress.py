"""Which of a predictor's pods counts while its model is replaced."""

from typing import Any

from tandem.platform.models.progress import look
from tandem.platform.objects import Object

NEW = "a" * 40


class Replacing:
    """A cluster with one InferenceService and its pods; no log yet."""

    namespace = "prod"

    def __init__(self, *pods: Object, replicas: int = 1) -> None:
        self._pods = pods
        self._replicas = replicas

    def read(self, path: str) -> Object:
        assert path.endswith("/namespaces/prod/inferenceservices/rag")
        ready = [{"type": "Ready", "status": "True"}]
        return {
            "metadata": {"name": "rag"},
            "spec": {"predictor": {"minReplicas": self._replicas}},
            "status": {"conditions": ready},
        }

    def items(self, path: str, **query: str) -> tuple[Object, ...]:
        del query
        return self._pods if path.endswith("/pods") else ()

    def log(self, *about: str, **how: Any) -> str:
        del about, how
        return ""


def pod(version: str = "", *, ready: bool = True, leaves: bool = False, at: str = "2026-03-01T11:00:00Z") -> Object:
    """Of a version; empty: as Helm installed it."""
    leaving = {"deletionTimestamp": at} if leaves else {}
    notes = {"tandem.dev/model-version": version} if version else {}
    status = {
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": "kserve-container", "state": {"running": {}}}],
    }
    metadata = {"name": f"rag-{version[:1]}{at}", "creationTimestamp": at, "annotations": notes, **leaving}
    return {"metadata": metadata, "spec": {"nodeName": "n"}, "status": status}


def seen(*pods: Object, version: str = NEW, replicas: int = 1) -> tuple[str, str]:
    found = look(Replacing(*pods, replicas=replicas), "rag", version)  # type: ignore[arg-type]
    return found.stage, found.said


def test_it_is_ready_once_nobody_is_answered_by_the_model_before() -> None:
    assert seen(pod()) == ("accepted", "KServe has made no pod yet")
    assert seen(pod(), pod(NEW, ready=False)) == ("load", "")
    assert seen(pod(), pod(NEW)) == ("warm-up", "pods of the model before that still answer: 1")
    # Gateways keep connections: it answers on them until it stops.
    assert seen(pod(leaves=True), pod(NEW)) == ("warm-up", "pods of the model before that still answer: 1")
    assert seen(pod(leaves=True, ready=False), pod(NEW)) == ("ready", "")
    assert seen(pod(NEW, leaves=True), pod(NEW)) == ("ready", "")


def test_a_pod_on_its_way_out_is_not_the_one_that_is_waited_for() -> None:
    assert seen(pod(NEW, leaves=True), pod())[0] == "accepted"


def test_what_helm_installed_is_waited_for_like_any_other() -> None:
    assert seen(pod(NEW), version="")[0] == "accepted"
    assert seen(pod(NEW, leaves=True), pod(ready=False), version="")[0] == "load"
    assert seen(pod(), version="") == ("ready", "")


def test_one_that_sleeps_is_not_waited_for() -> None:
    assert seen(replicas=0) == ("ready", "it sleeps until it is asked")
    assert seen(pod(), replicas=0)[0] == "accepted"
