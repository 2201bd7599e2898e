"""Backups: a CronJob that makes them, one that is never due for the way back, and the paths that they need."""

from typing import Any

import pytest

from charts.rendering import CHART, Object, only

OVER_QDRANT = CHART / "ci/workers-values.yaml"
FLEET = CHART / "ci/keys-values.yaml"
BY_HAND = {"backup": {"enabled": True, "claim": "backups"}, "retriever": {"enabled": True}}


def pod(job: Object) -> Object:
    found: Object = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def volumes(job: Object) -> dict[str, Any]:
    return {each["name"]: each for each in pod(job)["volumes"]}


def test_over_a_server_backups_are_made_at_set_times() -> None:
    job = only("CronJob", "backup", OVER_QDRANT)
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("30 2 * * *", "Europe/Berlin")
    assert job["spec"]["suspend"] is False and job["spec"]["concurrencyPolicy"] == "Forbid"
    assert job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 21600
    (container,) = pod(job)["containers"]
    assert container["command"][-1].startswith("exec tandem backup --keep 7 '/backups/' --config ")
    names = {each["name"] for each in container["env"]}
    assert names == {"TANDEM_DATA_DIR", "TANDEM_VECTORS__API_KEY", "TANDEM_EMBEDDER__API_KEY"}
    assert pod(job)["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "emptyDir" in volumes(job)["data"]
    assert volumes(job)["backups"]["persistentVolumeClaim"] == {"claimName": "backups"}


def test_a_restore_is_never_due() -> None:
    job = only("CronJob", "restore", OVER_QDRANT)
    assert job["spec"]["suspend"] is True
    # Half of one is not tried again by itself, and none is ended half-way.
    assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert "activeDeadlineSeconds" not in job["spec"]["jobTemplate"]["spec"]
    (container,) = pod(job)["containers"]
    assert container["command"][-1].startswith("exec tandem restore --replace --yes '/backups/' --config ")


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_a_bucket_is_reached_with_a_secret_or_a_role(name: str) -> None:
    changes: dict[str, Any] = {
        "backup": {
            "claim": "",
            "bucket": "s3://vault/nightly",
            "keep": 30,
            "extraEnv": [{"name": "AWS_REGION", "value": "eu-central-1"}],
            "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backups"},
        },
        "existingSecrets": {"backup": {"name": "bucket-keys"}},
    }
    job = only("CronJob", name, OVER_QDRANT, **changes)
    (container,) = pod(job)["containers"]
    does = {"backup": "backup --keep 30", "restore": "restore --replace --yes"}[name]
    assert container["command"][-1].startswith(f"exec tandem {does} 's3://vault/nightly/' --config ")
    assert container["envFrom"] == [{"secretRef": {"name": "bucket-keys"}}]
    assert {"name": "AWS_REGION", "value": "eu-central-1"} in container["env"]
    assert "backups" not in volumes(job)
    assert "/backups" not in {each["mountPath"] for each in container["volumeMounts"]}
    account = only("ServiceAccount", "backup", OVER_QDRANT, **changes)
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backups"}
    assert pod(job)["serviceAccountName"] == account["metadata"]["name"]
    policy = only("NetworkPolicy", "backup", OVER_QDRANT, **changes)
    outside = [rule for rule in policy["spec"]["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert [port["port"] for rule in outside for port in rule["ports"]] == [443]


def test_a_bucket_that_deletes_by_itself_is_left_to_it() -> None:
    job = only("CronJob", "backup", OVER_QDRANT, backup={"claim": "", "bucket": "s3://vault/", "keep": 0})
    (container,) = pod(job)["containers"]
    assert container["command"][-1].startswith("exec tandem backup 's3://vault/' --config ")


def test_a_retrievers_own_vectors_are_read_from_its_volume_by_hand() -> None:
    for name in ("backup", "restore"):
        job = only("CronJob", name, FLEET, **BY_HAND)
        assert job["spec"]["suspend"] is True
        assert volumes(job)["data"]["persistentVolumeClaim"] == {"claimName": "data-tandem-retriever-0"}


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_both_are_held_by_one_policy_that_lets_them_to_the_stores_alone(name: str) -> None:
    policy = only("NetworkPolicy", "backup", OVER_QDRANT)
    labels = only("CronJob", name, OVER_QDRANT)["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["spec"]["ingress"] == []
    told = {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in policy["spec"]["egress"]
        for peer in rule["to"]
        if "namespaceSelector" in peer
    }
    assert told == {"kube-system", "qdrant", "models"}
