"""Hardware is a matter of values: a profile changes the predictor and nothing else, an engine what is spoken with it."""

from functools import cache
from typing import Any

import pytest
import yaml

from charts.pods import Pod, pods
from charts.rendering import CHART, PROFILES, Object, objects, text

OPEN: dict[str, Any] = {"config": {"server": {"allow_unauthenticated": True}}}
AWAKE = {**OPEN, "predictor": {"autoscaling": {"enabled": True}}, "gateway": {"autoscaling": {"enabled": True}}}
ASLEEP = {**OPEN, "predictor": {"autoscaling": {"enabled": True, "minReplicas": 0}}}
WATCHED = {name: {"enabled": True} for name in ("podMonitor", "rules", "dashboards")}
INSTALLATIONS: dict[str, dict[str, Any]] = {
    "fixed": OPEN,
    "scaled": AWAKE,
    "asleep": ASLEEP,
    "watched": {**OPEN, "monitoring": WATCHED},
    "keys": {"existingSecrets": {name: {"name": name.lower()} for name in ("keysFile", "retriever", "caller")}},
    "qdrant": {
        "config": {**OPEN["config"], "vectors": {"url": "http://qdrant.qdrant.svc.cluster.local:6333"}},
        "retriever": {"enabled": False},
    },
}
ANOTHER = {"another model": {**OPEN, "predictor": {"model": {"uri": "hf://org/another-8B:main"}}}}


@cache
def _documents(profile: str, installation: str) -> dict[tuple[str, str], tuple[str, Object]]:
    """What Helm prints of each object, byte for byte, and what it means."""
    found = {}
    for document in text(CHART / profile, values=(INSTALLATIONS | ANOTHER)[installation]).split("\n---\n"):
        if one := yaml.load(document, Loader=yaml.CSafeLoader):
            found[one["kind"], one["metadata"]["name"]] = (document.partition("apiVersion:")[2], one)
    return found


def _outside(documents: dict[tuple[str, str], tuple[str, Object]]) -> dict[tuple[str, str], str]:
    """All but the predictor's own objects, as their label tells."""
    return {
        key: document
        for key, (document, one) in documents.items()
        if one["metadata"]["labels"]["app.kubernetes.io/component"] != "predictor"
    }


@pytest.mark.parametrize("installation", INSTALLATIONS)
@pytest.mark.parametrize(("one", "other"), [PROFILES[:2], PROFILES[1:], PROFILES[::2]])
def test_no_object_outside_the_predictor_differs_between_profiles(one: str, other: str, installation: str) -> None:
    before, after = (_documents(profile, installation) for profile in (one, other))
    assert _outside(before).keys() >= {("Deployment", "tandem-gateway"), ("ConfigMap", "tandem-config")}
    if installation == "asleep" and PROFILES[2] in (one, other):
        # A model that sleeps can't be asked what it is, so the gateway is told the engine.
        changed = {key for key in _outside(before) if _outside(before)[key] != _outside(after)[key]}
        assert changed <= {("Deployment", "tandem-gateway")}
    else:
        assert _outside(before) == _outside(after)
    assert before != after, "the model is another one"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_sets_the_predictor_only(profile: str) -> None:
    assert yaml.safe_load((CHART / profile).read_text()).keys() == {"predictor"}


def test_profiles_set_the_same_things_so_that_nothing_of_one_is_left_over() -> None:
    left = {profile: _keys(yaml.safe_load((CHART / profile).read_text())) for profile in PROFILES[:2]}
    assert left[PROFILES[0]] == left[PROFILES[1]]


def _keys(node: Any, above: str = "") -> set[str]:
    if not isinstance(node, dict) or above.endswith(("nodeSelector", "resources")):
        return {above}
    return {key for name, value in node.items() for key in _keys(value, f"{above}.{name}")}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_says_which_engine_it_runs(profile: str) -> None:
    assert yaml.safe_load((CHART / profile).read_text())["predictor"]["runtime"] in {"tgi", "vllm", "small"}


@pytest.mark.parametrize(
    ("profile", "labels", "gpus"),
    [
        (PROFILES[0], {"tandem.dev/pool": "gpu-a10g", "tandem.dev/gpu-memory": "24Gi"}, "1"),
        (PROFILES[1], {"tandem.dev/pool": "gpu-a100", "tandem.dev/gpu-memory": "80Gi"}, "1"),
        (PROFILES[2], {}, None),
    ],
)
def test_a_profile_asks_for_its_pool_and_its_gpu(profile: str, labels: dict[str, str], gpus: str | None) -> None:
    pod = _predictor(objects(CHART / profile, values=OPEN))
    assert pod.spec.get("nodeSelector", {}) == labels
    assert [each["key"] for each in pod.spec.get("tolerations", ())] == (["nvidia.com/gpu"] if gpus else [])
    assert pod.containers[0]["resources"]["limits"].get("nvidia.com/gpu") == gpus


@pytest.mark.parametrize(("profile", "most"), [(PROFILES[0], 22), (PROFILES[1], 76)])
def test_the_flags_of_a_profile_fit_into_its_gpu(profile: str, most: float) -> None:
    told = _environment(_predictor(objects(CHART / profile, values=OPEN)))
    budget = yaml.safe_load((CHART / profile).read_text())["predictor"]["budget"]
    tokens = int(told["MAX_TOTAL_TOKENS"]) * int(told["MAX_CONCURRENT_REQUESTS"])
    needs = budget["weightsGB"] + tokens * budget["kvBytesPerToken"] / 1e9 + budget["overheadGB"]
    assert needs <= most == budget["usableGB"] < budget["gpuMemoryGB"]
    assert float(told["TGI_WIGGLE_ROOM"]) * budget["gpuMemoryGB"] <= most


def _predictor(found: list[Object]) -> Pod:
    (pod,) = [pod for pod in pods(found) if pod.owner["kind"] == "InferenceService"]
    return pod


def _gateway(found: list[Object]) -> Pod:
    (pod,) = [pod for pod in pods(found) if pod.owner["metadata"]["name"] == "tandem-gateway"]
    return pod


def _environment(pod: Pod) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod.containers[0].get("env", ())}


@pytest.mark.parametrize(
    ("engine", "protocol", "readiness", "user"),
    [("tgi", "tgi", "/health", 0), ("vllm", "openai", "/health", 65532), ("small", "tgi", "/readyz", 65532)],
)
def test_an_engine_is_one_value(engine: str, protocol: str, readiness: str, user: int) -> None:
    model = {"model": {"uri": "extractive", "quantization": ""}} if engine == "small" else {}
    found = objects(CHART / PROFILES[0], values={**OPEN, "predictor": {"runtime": engine, **model}})
    pod, gateway = _predictor(found), _environment(_gateway(found))
    runtimes = [one["metadata"]["name"] for one in found if one["kind"] == "ServingRuntime"]
    assert runtimes == [f"tandem-{engine}"]
    assert pod.owner["spec"]["predictor"]["model"]["runtime"] == f"tandem-{engine}"
    assert pod.containers[0]["readinessProbe"]["httpGet"]["path"] == readiness
    assert pod.containers[0]["securityContext"]["runAsUser"] == user
    assert gateway["TANDEM_PREDICTOR__PROTOCOL"] == protocol
    assert gateway["TANDEM_PREDICTOR__URL"] == "http://tandem-predictor.rag.svc.cluster.local"
    assert ("TANDEM_PREDICTOR__MODEL" in gateway) == (protocol == "openai")


def test_tgi_is_started_again_only_when_it_takes_no_connection() -> None:
    (container,) = _predictor(objects(CHART / PROFILES[0], values=OPEN)).containers
    assert "tcpSocket" in container["livenessProbe"]
    assert {each["name"]: each["value"] for each in container["env"] if "value" in each}["HOSTNAME"] == "0.0.0.0"
    started = container["startupProbe"]
    assert started["periodSeconds"] * started["failureThreshold"] >= 900


def test_vllm_asks_for_the_name_that_the_gateway_asks_for() -> None:
    found = objects(CHART / PROFILES[0], values={**OPEN, "predictor": {"runtime": "vllm"}})
    arguments = _predictor(found).containers[0]["args"]
    assert f"--served-model-name={_environment(_gateway(found))['TANDEM_PREDICTOR__MODEL']}" in arguments


def test_another_model_of_one_engine_replaces_the_predictor_s_pods_and_no_other() -> None:
    before, after = (_documents(PROFILES[0], installation) for installation in ("fixed", "another model"))
    assert _outside(before) == _outside(after)
    assert before["InferenceService", "tandem"] != after["InferenceService", "tandem"]


def test_a_predictor_that_is_there_already_needs_nothing_of_kserve() -> None:
    external = {**OPEN, "predictor": {"external": {"url": "http://llm.models:8080"}}}
    found = objects(CHART / PROFILES[0], values=external, apis=())
    assert not [one for one in found if "kserve" in one["apiVersion"]]
    assert _environment(_gateway(found))["TANDEM_PREDICTOR__URL"] == "http://llm.models:8080"
