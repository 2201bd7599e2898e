"""What ingests: workers that find each other, Jobs at set times, and no rights for either."""

import json
from typing import Any

import pytest

from charts.rendering import CHART, Object, callers, objects, only

VALUES = CHART / "ci/workers-values.yaml"
SECRETS_OF_OTHERS = ("keys", "predictor", "quotas", "POOL_")


def made(kind: str, name: str, **values: Any) -> Object:
    return only(kind, name, VALUES, **values)


def test_workers_find_each_other_by_a_name_with_the_addresses_of_all() -> None:
    service = made("Service", "worker")
    assert service["spec"]["clusterIP"] == "None"
    (container,) = made("Deployment", "worker")["spec"]["template"]["spec"]["containers"]
    env = {each["name"]: each for each in container["env"]}
    assert env["TANDEM_WORKER__PEERS"]["value"] == "tandem-worker.rag.svc"
    assert env["TANDEM_WORKER__ADDRESS"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}


def test_a_worker_is_scaled_by_cpu_and_memory() -> None:
    scaler = made("HorizontalPodAutoscaler", "worker")
    assert [metric["resource"]["name"] for metric in scaler["spec"]["metrics"]] == ["cpu", "memory"]


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "worker"), ("CronJob", "nightly")])
def test_what_ingests_has_no_rights_and_no_secrets_of_others(kind: str, name: str) -> None:
    spec = made(kind, name, existingSecrets={"predictor": {"name": "predictor"}})["spec"]
    pod = (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    told = json.dumps(container["env"])
    assert not [secret for secret in SECRETS_OF_OTHERS if secret in told]
    assert {"name": "documents", "mountPath": "/documents", "readOnly": True} in container["volumeMounts"]
    assert "keys" not in {volume["name"] for volume in pod["volumes"]}


def test_no_release_asks_for_rights_at_the_api_server() -> None:
    kinds = {one["kind"] for one in objects(VALUES)}
    assert not kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}


def test_a_schedule_is_an_indexed_job_with_a_shard_per_pod() -> None:
    spec = made("CronJob", "nightly")["spec"]
    job = spec["jobTemplate"]["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("15 3 * * *", "Europe/Berlin", "Forbid")
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 3, 2)
    (container,) = job["template"]["spec"]["containers"]
    assert container["args"] == [
        "ingest", "--config", "/etc/tandem/tandem.yaml", "--shard", "$(JOB_COMPLETION_INDEX)/3",
        "--collection", "archive", "--prune", "--", "/documents/archive", "https://archive.example.com/$$2024",
    ]  # fmt: skip


def test_pods_of_jobs_are_no_workers_to_anybody() -> None:
    """Else they would take shares of the documents that nobody ingests."""
    selector = made("Service", "worker")["spec"]["selector"]
    labels = made("CronJob", "nightly")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert not selector.items() <= labels.items()


@pytest.mark.parametrize("name", ["worker", "ingest"])
def test_what_ingests_reaches_its_store_its_embedder_and_its_sources(name: str) -> None:
    policy = made("NetworkPolicy", name)["spec"]
    namespaces = {
        peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
        for rule in policy["egress"]
        for peer in rule["to"]
    }
    assert {"qdrant", "models"} <= namespaces
    assert any("ipBlock" in peer for rule in policy["egress"] for peer in rule["to"])
    assert "predictor" not in json.dumps(policy["egress"])


def test_a_retriever_lets_in_what_ingests() -> None:
    values = {"retriever": {"enabled": True}, "existingSecrets": {"retriever": {"name": "gateway"}}}
    assert callers(made("NetworkPolicy", "retriever", **values)) == {"gateway", "worker", "ingest"}


def test_answers_are_evaluated_at_set_times_against_the_gateway() -> None:
    job = made("CronJob", "evaluation")["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert container["args"] == [
        "eval", "/etc/tandem-golden/golden.jsonl", "--url", "http://tandem-gateway:80", "--answers", "--limit", "100",
        "--results", "/var/lib/tandem/evaluations", "--report", "/var/lib/tandem/evaluations/index.html",
        "--fail-under", "groundedness=0.9", "--fail-under", "ndcg@10=0.8",
    ]  # fmt: skip
    assert job["backoffLimit"] == 0
    (rule, dns) = sorted(
        made("NetworkPolicy", "evaluation")["spec"]["egress"], key=lambda each: "podSelector" not in each["to"][0]
    )
    assert rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert {each["port"] for each in dns["ports"]} == {53}
