"""What gateways keep of answers: where it lies, how much of it there may be, and who is told of it."""

from typing import Any

import pytest

from charts.pods import Pod, pods
from charts.rendering import CHART, Object, objects, refusal

OPEN: dict[str, Any] = {"server": {"allow_unauthenticated": True}}
MODEL = {"enabled": False, "external": {"url": "http://10.9.8.7:8080"}}
QDRANT = {**OPEN, "vectors": {"url": "http://qdrant:6333"}}
SQL = {"to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "ports": [{"port": 5432}]}


def _pod(workload: str, **values: Any) -> Pod:
    given: dict[str, Any] = {"predictor": MODEL, "config": OPEN, **values}
    (found,) = (pod for pod in pods(objects(values=given)) if pod.name.endswith(f"/tandem-{workload}"))
    return found


def _env(container: Object) -> dict[str, Object]:
    return {each["name"]: each for each in container["env"]}


def _secret(name: str, key: str) -> Object:
    return {"secretKeyRef": {"name": name, "key": key}}


def test_records_lie_on_a_volume_of_their_own() -> None:
    gateway = _pod("gateway", spool={"size": "2Gi"})
    (volume,) = (each for each in gateway.spec["volumes"] if each["name"] == "spool")
    assert volume["emptyDir"] == {"sizeLimit": "2Gi"}
    mounts = {each["name"]: each["mountPath"] for each in gateway.containers[-1]["volumeMounts"]}
    assert mounts["spool"] == f"{mounts['data']}/monitor"
    assert "spool" not in {each["name"] for each in _pod("retriever").spec["volumes"]}


def test_records_lie_on_the_gateways_claim_where_it_has_one() -> None:
    gateway = _pod("gateway", gateway={"kind": "StatefulSet", "persistence": {"enabled": True, "size": "2Gi"}})
    assert "spool" not in {each["name"] for each in gateway.spec["volumes"]}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"spool": {"size": "1Gi"}}, "spool.size is 1Gi, but records of answers may take 1000 MB"),
        (
            {"config": {**OPEN, "monitor": {"spool": {"max_bytes": 5_000_000_000}}}},
            "spool.size is 1200Mi, but records of answers may take 5000 MB",
        ),
        (
            {"gateway": {"kind": "StatefulSet", "persistence": {"enabled": True}}},
            "gateway.persistence.size is 1Gi, but records of answers may take 1000 MB",
        ),
        (
            {"config": {**OPEN, "monitor": {"drain_timeout_s": 60}}, "gateway": {"terminationGracePeriodSeconds": 150}},
            "gateway.terminationGracePeriodSeconds is 150, but a pod may drain for 185",
        ),
        (
            {"existingSecrets": {"state": {"name": "sql"}}},
            "existingSecrets.state holds an address that the chart can't see",
        ),
    ],
)
def test_what_would_lose_records_or_find_no_store_is_refused(values: dict[str, Any], told: str) -> None:
    drained = {"server": {"allow_unauthenticated": True, "drain_delay_s": 5, "drain_timeout_s": 120}}
    config = {**values.get("config", {}), **drained}
    (line,) = refusal({"predictor": MODEL, **values, "config": config})
    assert line.startswith(told)


@pytest.mark.parametrize(
    "values",
    [
        {"spool": {"size": "64Mi"}, "config": {**OPEN, "monitor": {"enabled": False}}},
        {"spool": {"size": "64Mi"}, "config": {**OPEN, "monitor": {"spool": {"max_bytes": 50_000_000}}}},
        {"spool": {"size": 1_100_000_000}},
    ],
    ids=["no records", "few", "a plain number"],
)
def test_a_volume_that_is_large_enough_is_taken(values: dict[str, Any]) -> None:
    assert _pod("gateway", **values).containers


def test_a_place_for_the_spool_and_secrets_in_the_configuration_are_refused() -> None:
    for monitor in ({"spool": {"dir": "/tmp"}}, {"otlp": {"headers": {"authorization": "Basic x"}}}):
        assert refusal({"predictor": MODEL, "config": {**OPEN, "monitor": monitor}})


def test_secrets_reach_the_settings_that_they_are_for() -> None:
    secrets = {"state": {"name": "sql"}, "userKey": {"name": "alias"}, "otlpHeaders": {"name": "otel"}}
    values: dict[str, Any] = {"existingSecrets": secrets, "networkPolicy": {"extraEgress": {"gateway": [SQL]}}}
    gateway = _pod("gateway", **values)
    first, server = gateway.containers
    env = _env(server)
    assert env["TANDEM_STATE__URL"]["valueFrom"] == _secret("sql", "url")
    assert env["TANDEM_PRIVACY__USER_KEY"]["valueFrom"] == _secret("alias", "key")
    assert env["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"] == _secret("otel", "headers")
    assert (first["args"], _env(first)["TANDEM_STATE__URL"]["valueFrom"]) == (["db", "upgrade"], _secret("sql", "url"))
    inner = _env(_pod("retriever", **values).containers[-1])
    assert "TANDEM_STATE__URL" not in inner
    assert "OTEL_EXPORTER_OTLP_HEADERS" in inner


@pytest.mark.parametrize(
    ("values", "off"),
    [
        ({"retriever": {"enabled": False}, "config": QDRANT}, True),
        ({"retriever": {"enabled": False}, "config": QDRANT, "gateway": {"replicaCount": 1}}, False),
        ({"config": OPEN}, False),
        (
            {
                "retriever": {"enabled": False},
                "config": QDRANT,
                "existingSecrets": {"state": {"name": "sql"}},
                "networkPolicy": {"extraEgress": {"gateway": [SQL]}},
            },
            False,
        ),
        ({"retriever": {"enabled": False}, "config": {**QDRANT, "monitor": {"receipts": {"enabled": True}}}}, False),
    ],
    ids=["no store in common", "one gateway", "the retriever's", "PostgreSQL", "said so"],
)
def test_gateways_without_a_store_in_common_keep_no_receipts(values: dict[str, Any], off: bool) -> None:
    env = _env(_pod("gateway", **values).containers[-1])
    assert (env.get("TANDEM_MONITOR__RECEIPTS__ENABLED", {}).get("value") == "false") is off


def test_pods_tell_who_they_are_where_they_tell_anything() -> None:
    traces = {"endpoint": "http://otel-collector.observability.svc:4318", "ratio": 0.5}
    for workload in ("gateway", "retriever"):
        env = _env(_pod(workload, config={**OPEN, "telemetry": {"traces": traces}}).containers[-1])
        assert env["OTEL_RESOURCE_ATTRIBUTES"]["value"] == "k8s.namespace.name=rag,k8s.pod.name=$(K8S_POD_NAME)"
        assert list(env).index("K8S_POD_NAME") < list(env).index("OTEL_RESOURCE_ATTRIBUTES")
    assert "OTEL_RESOURCE_ATTRIBUTES" not in _env(_pod("gateway").containers[-1])


def test_the_small_predictor_takes_part_in_traces() -> None:
    traces = {"endpoint": "http://otel-collector.observability.svc:4318", "ratio": 0.5}
    found = objects(CHART / "values-small-cpu.yaml", values={"config": {**OPEN, "telemetry": {"traces": traces}}})
    (pod,) = (pod for pod in pods(found) if pod.owner["kind"] == "InferenceService")
    env = _env(pod.containers[-1])
    assert env["TANDEM_TELEMETRY__TRACES__ENDPOINT"]["value"] == traces["endpoint"]
    assert env["TANDEM_TELEMETRY__TRACES__RATIO"]["value"] == "0.5"
    (policy,) = (
        one for one in found if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "tandem-predictor"
    )
    assert [4318] in [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]]
