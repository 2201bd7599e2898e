"""What takes traces beside the chart: it is accepted by the API server, kept to its rights, and reached by the names that are told."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.kinds import VERSIONS, problems
from charts.pods import pods
from charts.programs import output, program
from charts.rendering import CHART, Object

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "manifests/observability"


@cache
def _made() -> list[Object]:
    text = output(program("kubectl"), "kustomize", str(FOLDER))
    return [found for found in yaml.safe_load_all(text) if found]


def _one(kind: str, name: str) -> Object:
    (found,) = (one for one in _made() if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def _config(name: str) -> Any:
    (found,) = (
        one for one in _made() if one["kind"] == "ConfigMap" and one["metadata"]["name"].rpartition("-")[0] == name
    )
    (text,) = found["data"].values()
    return yaml.safe_load(text)


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_every_object_is_accepted_by(version: str) -> None:
    assert [problem for one in _made() for problem in problems(one, version)] == []


def test_pods_keep_to_the_restricted_standard() -> None:
    found = list(pods(_made()))
    assert len(found) == 2
    for pod in found:
        assert pod.spec["securityContext"]["runAsNonRoot"]
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod.containers:
            rights = container["securityContext"]
            assert not rights["allowPrivilegeEscalation"] and rights["readOnlyRootFilesystem"]
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            volumes = {volume["name"] for volume in pod.spec["volumes"]}
            volumes |= {claim["metadata"]["name"] for claim in pod.owner["spec"].get("volumeClaimTemplates", ())}
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_every_pipeline_of_the_collector_is_made_of_parts_that_are_there() -> None:
    config = _config("otel-collector")
    for pipeline in config["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= config[part].keys()
    assert set(config["service"]["extensions"]) <= config["extensions"].keys()
    ports = {port["containerPort"] for port in _container("Deployment", "otel-collector")["ports"]}
    told = [config["receivers"]["otlp"]["protocols"]["http"], config["exporters"]["prometheus"]]
    assert {int(each["endpoint"].rpartition(":")[2]) for each in [*told, config["extensions"]["health_check"]]} == ports
    host, _, port = config["exporters"]["otlp/tempo"]["endpoint"].rpartition(":")
    assert host == "tempo.observability.svc.cluster.local"
    assert int(port) in {each["containerPort"] for each in _container("StatefulSet", "tempo")["ports"]}


def _container(kind: str, name: str) -> Object:
    (found,) = _one(kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_chart_s_example_names_the_collector_and_grafana_finds_tempo() -> None:
    service = _one("Service", "otel-collector")
    address = f"http://{service['metadata']['name']}.{service['metadata']['namespace']}.svc:{service['spec']['ports'][0]['port']}"
    example = yaml.safe_load((CHART / "examples/fleet/values.yaml").read_text())["config"]
    assert example["monitor"]["otlp"]["endpoint"] == example["telemetry"]["traces"]["endpoint"] == address
    assert address in (FOLDER / "README.md").read_text()
    (source,) = yaml.safe_load(_one("ConfigMap", "tandem-datasources")["data"]["tandem.yaml"])["datasources"]
    stack = yaml.safe_load((ROOT / "manifests/platform/prometheus/values.yaml").read_text())
    led = stack["grafana"]["sidecar"]["datasources"]["exemplarTraceIdDestinations"]
    assert (led["datasourceUid"], led["traceIdLabelName"]) == (source["uid"], "trace_id")
    assert "exemplar-storage" in stack["prometheus"]["prometheusSpec"]["enableFeatures"]


def test_a_policy_lets_in_who_asks_and_nobody_else() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in _made() if one["kind"] == "NetworkPolicy"}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (tandem, _) = policies["otel-collector"]["ingress"]
    assert tandem["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tandem"}}}]
    assert [port["port"] for port in tandem["ports"]] == [4318]
