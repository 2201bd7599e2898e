"""Retrieval as a tier of its own over a Qdrant cluster: `manifests/environments/production/retrievers.yaml`."""

from functools import cache
from typing import Any

from charts.rendering import CHART, ROOT, Object, objects

PRODUCTION = ROOT / "manifests/environments/production"


@cache
def _rendered() -> tuple[Object, ...]:
    files = (CHART / "values-30b-a100.yaml", PRODUCTION / "values.yaml", PRODUCTION / "retrievers.yaml")
    return tuple(objects(*files, namespace="tandem"))


def _one(kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in _rendered() if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def _query(name: str) -> str:
    (trigger,) = _one("ScaledObject", f"tandem-{name}")["spec"]["triggers"]
    return str(trigger["metadata"]["query"])


def test_each_tier_is_scaled_by_what_its_own_pods_are_asked() -> None:
    for name, other in (("retriever", "gateway"), ("gateway", "retriever")):
        assert f'pod=~"tandem-{name}-.+"' in _query(name)
        assert other not in _query(name)


def test_retrievers_come_and_go_without_volumes() -> None:
    spec = _one("Deployment", "tandem-retriever")["spec"]
    assert "replicas" not in spec
    assert not any("persistentVolumeClaim" in each for each in spec["template"]["spec"]["volumes"])
    assert _one("PodDisruptionBudget", "tandem-retriever")["spec"]["maxUnavailable"] == 1


def test_only_retrievers_reach_qdrant() -> None:
    ports = {
        name: {
            port["port"]
            for rule in _one("NetworkPolicy", f"tandem-{name}")["spec"]["egress"]
            for port in rule.get("ports", [])
        }
        for name in ("gateway", "retriever")
    }
    assert {6333, 6334} <= ports["retriever"]
    assert not {6333, 6334} & ports["gateway"] and 8000 in ports["gateway"]


def test_gateways_show_retrievers_a_key_that_callers_do_not_have() -> None:
    gateway, retriever = (
        _one("Deployment", f"tandem-{name}")["spec"]["template"]["spec"] for name in ("gateway", "retriever")
    )
    shown = {each["name"]: each for each in gateway["containers"][0]["env"]}
    assert shown["TANDEM_RETRIEVER__API_KEY"]["valueFrom"]["secretKeyRef"]["name"] == "tandem-retriever"
    mounted = {each.get("secret", {}).get("secretName") for each in retriever["volumes"]}
    assert "tandem-retriever-keys" in mounted and "tandem-keys" not in mounted
