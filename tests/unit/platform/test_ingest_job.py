"""The Job of an ingestion: made after a release's pods, with less than they may do; and what is told of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tandem.domain.errors import ConfigurationError
from tandem.platform.cluster import Refused
from tandem.platform.ingest_job import Ingestion, manifest
from tandem.platform.job_progress import JobState, look
from tandem.platform.objects import Object
from tandem.platform.pod_of_release import Workload, workload_of

LABELS = {
    "app.kubernetes.io/name": "tandem",
    "app.kubernetes.io/instance": "rag",
    "app.kubernetes.io/component": "gateway",
    "helm.sh/chart": "tandem-0.1.0",
}
POD: dict[str, Any] = {
    "spec": {
        "serviceAccountName": "rag-tandem",
        "nodeSelector": {"tandem.dev/pool": "cpu"},
        "securityContext": {"runAsUser": 65532, "fsGroup": 65532},
        "containers": [
            {
                "name": "tandem",
                "image": "registry/tandem:1",
                "args": ["serve"],
                "env": [
                    {"name": "TANDEM_RETRIEVER__URL", "value": "http://rag-tandem-retriever:8000"},
                    {"name": "TANDEM_RETRIEVER__API_KEY", "valueFrom": {"secretKeyRef": {"name": "r", "key": "k"}}},
                    {"name": "TANDEM_AUTH__MODE", "value": "keys"},
                    {"name": "TANDEM_AUTH__KEYS_FILE", "value": "/etc/tandem-keys/keys.yaml"},
                    {"name": "TANDEM_PREDICTOR__API_KEY", "valueFrom": {"secretKeyRef": {"name": "p", "key": "k"}}},
                    {"name": "POOL_0_API_KEY", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}},
                    {"name": "TANDEM_POOLS", "value": "[]"},
                    {"name": "TANDEM_QUOTAS__STORE_URL", "valueFrom": {"secretKeyRef": {"name": "q", "key": "k"}}},
                    {"name": "TANDEM_STATE__URL", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "TANDEM_JOBS__WEBHOOKS__SECRET", "valueFrom": {"secretKeyRef": {"name": "w", "key": "k"}}},
                    {"name": "TANDEM_PRIVACY__USER_KEY", "valueFrom": {"secretKeyRef": {"name": "u", "key": "k"}}},
                    {"name": "TANDEM_BATCHES__RUN", "value": "job"},
                ],
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/tandem"},
                    {"name": "data", "mountPath": "/var/lib/tandem"},
                    {"name": "keys", "mountPath": "/etc/tandem-keys"},
                    {"name": "spool", "mountPath": "/var/lib/tandem/monitor"},
                    {"name": "kubernetes", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": "rag-tandem-config"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "theirs"}},
            {"name": "keys", "secret": {"secretName": "keys"}},
            {"name": "spool", "emptyDir": {}},
            {"name": "kubernetes", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ],
    }
}
WORKLOAD = Workload(
    "rag", "prod", "rag-tandem", {"app.kubernetes.io/name": "tandem", "app.kubernetes.io/instance": "rag"}, POD
)


def job(values: Mapping[str, Any] | None = None, **ingestion: Any) -> dict[str, Any]:
    return manifest(
        WORKLOAD, Ingestion(("https://a/$HOME",), 3, **ingestion), "rag-ingest", image=None, values=values or {}
    )


def container(made: Mapping[str, Any]) -> dict[str, Any]:
    (one,) = made["spec"]["template"]["spec"]["containers"]
    return dict(one)


def test_each_pod_takes_the_shard_of_its_index() -> None:
    made = job(collection="books", prune=True, parallel=2)
    assert (made["kind"], made["spec"]["completionMode"], made["spec"]["completions"]) == ("Job", "Indexed", 3)
    assert made["spec"]["parallelism"] == 2
    arguments = container(made)["args"]
    assert arguments[arguments.index("--shard") + 1] == "$(JOB_COMPLETION_INDEX)/3"
    assert arguments[-3:] == ["--prune", "--", "https://a/$$HOME"]


def test_it_has_its_stores_key_and_nobody_elses() -> None:
    told = json.dumps(job())
    assert "TANDEM_RETRIEVER__API_KEY" in told
    for other in (
        "PREDICTOR", "QUOTAS", "POOL", "KEYS_FILE", "tandem-keys", '"keys"', "theirs",
        "STATE", "WEBHOOKS", "USER_KEY", "BATCHES", "spool", "serviceaccount/", "serviceAccountToken", '"kubernetes"',
    ):  # fmt: skip
        assert other not in told
    assert {"name": "TANDEM_AUTH__MODE", "value": "none"} in container(job())["env"]


def test_it_keeps_within_restricted_pod_security() -> None:
    spec = job()["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == {
        "runAsUser": 65532, "fsGroup": 65532, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert container(job())["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_it_is_no_gateway_to_any_service() -> None:
    labels = job()["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "ingest"
    assert labels["app.kubernetes.io/instance"] == "rag"


def test_values_come_on_top() -> None:
    made = job({"resources": {"limits": {"memory": "8Gi"}}, "env": [{"name": "A", "value": "b"}], "nodeSelector": {},
                "volumes": [{"name": "docs"}], "volumeMounts": [{"name": "docs", "mountPath": "/d"}]})  # fmt: skip
    one, spec = container(made), made["spec"]["template"]["spec"]
    assert one["resources"] == {"limits": {"memory": "8Gi"}}
    assert one["env"][-1] == {"name": "A", "value": "b"}
    assert {"name": "docs", "mountPath": "/d"} in one["volumeMounts"] and {"name": "docs"} in spec["volumes"]
    assert spec["nodeSelector"] == {}


@pytest.mark.parametrize("values", [{"replicas": 3}, {"env": {"A": "b"}}, {"podLabels": ["a"]}])
def test_values_that_are_none_are_named(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        job(values)


def test_a_schedule_makes_such_jobs() -> None:
    made = job(schedule="15 3 * * *")
    assert (made["kind"], made["spec"]["schedule"], made["spec"]["concurrencyPolicy"]) == (
        "CronJob", "15 3 * * *", "Forbid",
    )  # fmt: skip
    assert made["spec"]["jobTemplate"]["spec"] == job()["spec"]


class Recorded:
    """A cluster by path."""

    namespace = "prod"

    def __init__(self, found: Mapping[str, Any], logs: Mapping[str, str] | None = None) -> None:
        self._found = found
        self._logs = logs or {}

    def read(self, path: str) -> Object:
        if path not in self._found:
            raise Refused(404, "not found")
        found: Object = self._found[path]
        return found

    def items(self, path: str, **query: str) -> tuple[Object, ...]:
        selector = query.get("labelSelector", "")
        return tuple(self._found.get(f"{path}?{selector}", ()))

    def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> str:
        assert (namespace, container, previous) == ("prod", "ingest", False) and lines
        if pod not in self._logs:
            raise Refused(400, "is waiting to start")
        return self._logs[pod]


def test_the_workload_is_found_by_the_releases_labels() -> None:
    deployment = {"metadata": {"name": "rag-tandem-gateway", "labels": LABELS}, "spec": {"template": POD}}
    path = (
        "/apis/apps/v1/namespaces/prod/deployments?app.kubernetes.io/instance=rag,app.kubernetes.io/component=gateway"
    )
    found = workload_of(Recorded({path: [deployment]}), "rag")  # type: ignore[arg-type]
    assert found == WORKLOAD


def test_no_such_release() -> None:
    with pytest.raises(ConfigurationError, match="no release rag"):
        workload_of(Recorded({}), "rag")  # type: ignore[arg-type]


def pod(index: int, phase: str, created: str, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"pod-{index}-{created}",
            "creationTimestamp": created,
            "labels": {"batch.kubernetes.io/job-completion-index": str(index)},
        },
        "status": {"phase": phase, "containerStatuses": [{"name": "ingest", "state": {}}], **status},
    }


def state(status: dict[str, Any], *pods: dict[str, Any], logs: Mapping[str, str] | None = None) -> JobState:
    paths = {
        "/apis/batch/v1/namespaces/prod/jobs/j": {"spec": {"completions": 3}, "status": status},
        "/api/v1/namespaces/prod/pods?batch.kubernetes.io/job-name=j": list(pods),
    }
    return look(Recorded(paths, logs), "j")  # type: ignore[arg-type]


def test_a_line_per_shard() -> None:
    pending = pod(2, "Pending", "1", containerStatuses=[{"state": {"waiting": {"reason": "ImagePullBackOff"}}}])
    seen = state(
        {"completedIndexes": "0"},
        pod(0, "Succeeded", "1"),
        pod(1, "Failed", "1"),
        pod(1, "Running", "2"),
        pending,
        logs={"pod-0-1": "40 documents\n\ndocs: added 40\n", "pod-1-2": "12 of 40 documents\n"},
    )
    assert seen.over is None
    assert [(each.state, each.said, each.tries) for each in seen.shards] == [
        ("done", "docs: added 40", 1), ("running", "12 of 40 documents", 2), ("waiting", "ImagePullBackOff", 1),
    ]  # fmt: skip


def test_how_it_ended() -> None:
    done = {"completedIndexes": "0-2", "conditions": [{"type": "Complete", "status": "True"}]}
    assert state(done).over is True
    failed = {
        "completedIndexes": "0",
        "failedIndexes": "1,2",
        "conditions": [{"type": "Failed", "status": "True", "message": "Job has failed indexes"}],
    }
    seen = state(failed)
    assert (seen.over, seen.why) == (False, "Job has failed indexes")
    assert [each.state for each in seen.shards] == ["done", "failed", "failed"]


def test_a_pod_that_no_node_takes_says_so() -> None:
    unscheduled = pod(0, "Pending", "1", containerStatuses=[])
    unscheduled["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: cpu"}]
    assert state({}, unscheduled).shards[0].said == "0/1 nodes: cpu"


def test_the_rights_that_the_docs_name_are_those_it_needs() -> None:
    page = (Path(__file__).parents[3] / "docs/ingestion-at-scale.md").read_text("utf-8")
    for right in ("deployments", "statefulsets", "jobs", "pods/log", "cronjobs"):
        assert f"`{right}`" in page
