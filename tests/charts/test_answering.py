"""Workers that answer jobs are given what gateways have, come and go with the queue, and have a Job made for each batch."""

import json
from typing import Any

import pytest

from charts.kinds import VERSIONS, problems
from charts.pods import Pod, batch_job, pods
from charts.rendering import CHART, Object, callers, objects, only

VALUES = CHART / "ci/answering-values.yaml"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
HERE: dict[str, Any] = {"batch": {"enabled": False}}
# Gateways answer the lines of batches themselves, and so look after them.
NO_BATCHES: dict[str, Any] = {"config": {"worker": {"queues": ["answers"]}}}


def made(kind: str, name: str, **values: Any) -> Object:
    return only(kind, name, VALUES, **values)


def _pod(name: str, **values: Any) -> Pod:
    (found,) = (
        each for each in pods(objects(VALUES, values=values)) if each.owner["metadata"]["name"] == f"tandem-{name}"
    )
    return found


def _job(**values: Any) -> Object:
    job = batch_job(made("ConfigMap", "config", **values))
    assert job is not None
    return job


def _env(pod: Pod) -> dict[str, Object]:
    return {each["name"]: each for each in pod.containers[-1]["env"]}


@pytest.mark.parametrize("name", ["worker", "batch"])
def test_what_answers_is_given_what_gateways_have_for_it(name: str) -> None:
    gateway, other = _env(_pod("gateway")), _env(_pod(name))
    own = {"TANDEM_AUTH__KEYS_FILE", "TANDEM_AUTH__MODE"} | (
        {"TANDEM_JOBS__WEBHOOKS__SECRET"} if name == "batch" else set()
    )
    assert {variable: gateway[variable] for variable in gateway.keys() - own}.items() <= other.items()
    # Nobody calls it.
    assert other["TANDEM_AUTH__MODE"]["value"] == "none"
    assert "TANDEM_AUTH__KEYS_FILE" not in other
    assert other["TANDEM_STATE__URL"]["valueFrom"]["secretKeyRef"]["name"] == "sql"


@pytest.mark.parametrize("name", ["worker", "batch"])
def test_records_of_its_answers_lie_on_a_volume_of_their_own(name: str) -> None:
    pod = _pod(name)
    (volume,) = (each for each in pod.spec["volumes"] if each["name"] == "spool")
    assert volume["emptyDir"] == {"sizeLimit": "1200Mi"}
    mounts = {each["name"]: each["mountPath"] for each in pod.containers[-1]["volumeMounts"]}
    assert mounts["spool"] == f"{mounts['data']}/monitor"


def test_a_worker_brings_the_schema_up_to_date_before_it_starts() -> None:
    (before,) = _pod("worker").spec["initContainers"]
    assert before["args"] == ["db", "upgrade"]
    assert before == _pod("gateway").spec["initContainers"][0] | {"resources": before["resources"]}


def _ways(policy: str, **values: Any) -> list[Object]:
    found: list[Object] = made("NetworkPolicy", policy, **values)["spec"]["egress"]
    return found


@pytest.mark.parametrize("name", ["worker", "batch"])
def test_what_answers_reaches_model_store_and_receiver(name: str) -> None:
    told = json.dumps(_ways(name))
    for namespace in ("qdrant", "models", "observability"):
        assert f'"kubernetes.io/metadata.name": "{namespace}"' in told
    assert '"10.0.0.5/32"' in told


def test_messages_about_jobs_reach_public_addresses_from_who_sends_them() -> None:
    def public(name: str) -> bool:
        return any("except" in peer.get("ipBlock", {}) for way in _ways(name) for peer in way["to"])

    assert (public("gateway"), public("worker"), public("batch")) == (True, True, False)


def test_the_model_lets_in_what_answers() -> None:
    values = {
        "predictor": {"enabled": True, "external": {"url": ""}, "runtime": "small", "model": {"uri": "extractive"}},
    }
    (rule, *_) = made("NetworkPolicy", "predictor", **values)["spec"]["ingress"]
    (who,) = rule["from"][0]["podSelector"]["matchExpressions"]
    assert who["values"] == ["gateway", "worker", "batch"]


def test_a_retriever_lets_in_the_pods_of_batches() -> None:
    values = {"retriever": {"enabled": True}, "existingSecrets": {"retriever": {"name": "gateway"}}}
    assert callers(made("NetworkPolicy", "retriever", **values)) == {"gateway", "worker", "ingest", "batch"}


def _triggers(**values: Any) -> list[Object]:
    found: list[Object] = made("ScaledObject", "worker", **values)["spec"]["triggers"]
    return found


def test_workers_come_from_nothing_and_go_when_nothing_is_open() -> None:
    spec = made("ScaledObject", "worker")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], spec["cooldownPeriod"]) == (0, 12, 600)
    assert "replicas" not in made("Deployment", "worker")["spec"]


def test_keda_asks_the_store_with_an_address_from_a_secret() -> None:
    (trigger,) = _triggers(**HERE)
    assert trigger["type"] == "postgresql"
    assert "split_part(queue, '/', 1) IN ('answers', 'batches')" in trigger["metadata"]["query"]
    # A batch whose lines are not there yet has to wake somebody, too.
    assert "FROM batches WHERE ended_at IS NULL" in trigger["metadata"]["query"]
    assert trigger["metadata"]["targetQueryValue"] == "64"
    # Else KEDA would not go to zero at all.
    assert trigger["metadata"]["activationTargetQueryValue"] == "0"
    name = trigger["authenticationRef"]["name"].removeprefix("tandem-")
    (reference,) = made("TriggerAuthentication", name)["spec"]["secretTargetRef"]
    assert reference == {"parameter": "connection", "name": "sql-readonly", "key": "url"}
    own = {"worker": {"autoscaling": {"connection": {"name": ""}}}}
    (reference,) = made("TriggerAuthentication", name, **own)["spec"]["secretTargetRef"]
    assert reference == {"parameter": "connection", "name": "sql", "key": "url"}


def test_or_prometheus_where_several_that_tell_the_same_count_once() -> None:
    (trigger,) = _triggers(**HERE, worker={"autoscaling": {"trigger": "prometheus"}})
    assert trigger["type"] == "prometheus"
    assert "authenticationRef" not in trigger
    query = trigger["metadata"]["query"]
    assert query.startswith("sum(max by (queue, state) (tandem_jobs_queued{")
    assert 'queue=~"answers|batches",state=~"ready|running"' in query
    assert 'pod=~"tandem-(gateway|worker)-.+"' in query
    assert "or max by (status) (tandem_batches_open{" in query
    kinds = {one["kind"] for one in objects(VALUES, values={"worker": {"autoscaling": {"trigger": "prometheus"}}})}
    assert "TriggerAuthentication" not in kinds


def test_lines_that_jobs_answer_ask_for_one_worker_at_most() -> None:
    jobs, batches = _triggers()
    assert "FROM batches" not in jobs["metadata"]["query"]
    assert "split_part(queue, '/', 1) IN ('answers')" in jobs["metadata"]["query"]
    assert "split_part(queue, '/', 1) IN ('batches')" in batches["metadata"]["query"]
    assert int(batches["metadata"]["targetQueryValue"]) >= 1_000_000


@pytest.mark.parametrize(("values", "maker"), [({}, "worker"), (NO_BATCHES, "gateway")], ids=["workers", "gateways"])
def test_who_looks_after_batches_makes_their_jobs_and_nobody_else(values: dict[str, Any], maker: str) -> None:
    for pod in pods(objects(VALUES, values=values)):
        makes = pod.owner["metadata"]["name"] == f"tandem-{maker}"
        assert pod.spec["automountServiceAccountToken"] is False
        containers = [
            each["name"]
            for each in pod.containers
            if any(mount["mountPath"] == ACCOUNT for mount in each.get("volumeMounts", ()))
        ]
        assert containers == (["tandem"] if makes else []), pod.name
        assert any("projected" in volume for volume in pod.spec.get("volumes", ())) == makes
        assert ("checksum/batch" in pod.annotations) == makes
        if makes:
            assert _env(pod)["TANDEM_BATCHES__RUN"]["value"] == "job"
            (config,) = (volume["configMap"]["items"] for volume in pod.spec["volumes"] if volume["name"] == "config")
            assert {"key": "batch-job.yaml", "path": "batch-job.yaml"} in config
        elif pod.name != "Pod/tandem-test":
            assert "TANDEM_BATCHES__RUN" not in _env(pod)
    for name in ("gateway", "worker", "batch"):
        api = [way for way in _ways(name, **values) if {"ipBlock": {"cidr": "10.0.0.2/32"}} in way["to"]]
        assert bool(api) == (name == maker), name


def test_the_account_may_make_jobs_here_and_do_nothing_else() -> None:
    role, binding = made("Role", "batch"), made("RoleBinding", "batch")
    assert role["rules"] == [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "create", "delete"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject["name"] == _pod("worker").spec["serviceAccountName"]
    kinds = {one["kind"] for one in objects(VALUES, values=HERE)}
    assert not kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_job_of_a_batch_is_one_that_kubernetes_takes(version: str) -> None:
    assert problems(_job(), version) == []


def test_the_job_of_a_batch_is_what_the_values_say() -> None:
    job = _job()
    assert job["metadata"]["namespace"] == "rag"
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "rag"
    assert job["metadata"]["annotations"] == {"tandem.dev/lines-per-pod": "250"}
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["ttlSecondsAfterFinished"]) == ("Indexed", 20, 3600)
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["priorityClassName"], pod["nodeSelector"]) == (
        "Never",
        "low",
        {"tandem.dev/pool": "spot"},
    )
    (container,) = pod["containers"]
    assert container["args"] == ["batch", "work", "BATCH_ID", "--config", "/etc/tandem/tandem.yaml"]
    assert container["image"] == _pod("worker").containers[-1]["image"]
    # A Service that meant it would send it requests, workers would leave documents to it.
    for service in (one for one in objects(VALUES) if one["kind"] == "Service"):
        assert not service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()


def test_a_changed_job_replaces_the_pods_that_make_it_and_no_others() -> None:
    changed = {"batch": {"linesPerPod": 7}}
    assert _pod("worker", **changed).annotations != _pod("worker").annotations
    assert _pod("gateway", **changed).annotations == _pod("gateway").annotations
