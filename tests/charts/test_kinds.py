"""The schemas that rendered objects are held to find what is wrong with an object."""

import json
from typing import Any

import pytest

from charts.kinds import OTHERS, VERSIONS, problems

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a"},
    "spec": {"ports": [{"port": 80, "targetPort": "http"}]},
}
SCALED: dict[str, Any] = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "a"},
    "spec": {
        "scaleTargetRef": {"name": "b"},
        "triggers": [{"type": "prometheus", "metadata": {"query": "up"}}],
    },
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("good", [SERVICE, SCALED], ids=["own", "others"])
def test_a_good_object_has_no_problems(good: dict[str, Any], version: str) -> None:
    assert problems(good, version) == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"ports": [{"port": 80}], "portz": 1}, "portz"),
        ({"ports": [{"port": "eighty"}]}, "eighty"),
        ({"ports": [{"targetPort": 80}]}, "port"),
    ],
    ids=["a key that is not there", "another type", "a key left out"],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_kubernetes_would_refuse_is_told(spec: dict[str, Any], says: str, version: str) -> None:
    (told,) = problems({**SERVICE, "spec": spec}, version)
    assert says in told


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({**SCALED["spec"], "idleSeconds": 5}, "idleSeconds"),
        ({"scaleTargetRef": {"name": "b"}}, "triggers"),
        ({**SCALED["spec"], "minReplicaCount": "1"}, "minReplicaCount"),
    ],
    ids=["a key that is not there", "a key left out", "another type"],
)
def test_what_the_definition_of_another_kind_would_refuse_is_told(spec: dict[str, Any], says: str) -> None:
    (told,) = problems({**SCALED, "spec": spec}, "1.34")
    assert says in told


def test_a_kind_that_nobody_defines_is_told() -> None:
    (told,) = problems({**SERVICE, "apiVersion": "apps/v1beta1", "kind": "Deployment"}, "1.34")
    assert told == "Deployment/a: Kubernetes 1.34 has no Deployment in apps/v1beta1"


def test_every_schema_is_of_the_api_that_the_chart_asks_for() -> None:
    apis = {json.loads(path.read_text())["apiVersion"] for path in OTHERS.glob("*.json")}
    assert apis == {
        "serving.kserve.io/v1beta1",
        "serving.kserve.io/v1alpha1",
        "keda.sh/v1alpha1",
        "monitoring.coreos.com/v1",
        "gateway.networking.k8s.io/v1",
    }
