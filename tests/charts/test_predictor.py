"""The model's own part of the chart: what fits its GPU, where it comes from, which engine runs it, when it sleeps."""

import re
from pathlib import Path
from typing import Any

import pytest

from charts.rendering import CHART, Object, objects, refusal
from tandem.adapters.models.lineage import installed_in
from tandem.domain.model_version import UNTOLD, Ancestry

SMALLER, LARGER, CPU = (CHART / f"values-{name}.yaml" for name in ("8b-a10g", "30b-a100", "small-cpu"))
OPEN = {"config": {"server": {"allow_unauthenticated": True}}}
GB = 10**9


def told(profile: Path, **predictor: Any) -> str:
    """The one line that a predictor is refused with."""
    (line,) = refusal(OPEN | {"predictor": predictor}, profile)
    return line


def made(profile: Path, **predictor: Any) -> dict[str, Object]:
    """The objects of the predictor by their kind."""
    found = objects(profile, values=OPEN | {"predictor": predictor})
    return {
        one["kind"]: one for one in found if one["metadata"]["labels"]["app.kubernetes.io/component"] == "predictor"
    }


def model(found: dict[str, Object]) -> dict[str, Any]:
    of: dict[str, Any] = found["InferenceService"]["spec"]["predictor"]["model"]
    return of


def env(found: dict[str, Object]) -> dict[str, str]:
    return {one["name"]: one.get("value", "from a secret") for one in model(found)["env"]}


def gateway(profile: Path, **predictor: Any) -> dict[str, str]:
    """What the gateway is told of its model."""
    found = objects(profile, values=OPEN | {"predictor": predictor})
    (one,) = (one for one in found if one["kind"] == "Deployment" and one["metadata"]["name"] == "tandem-gateway")
    names = one["spec"]["template"]["spec"]["containers"][0]["env"]
    return {each["name"]: each["value"] for each in names if each["name"].startswith("TANDEM_PREDICTOR__")}


@pytest.mark.parametrize(
    ("profile", "usable_gb", "layers", "heads", "size"), [(SMALLER, 22, 32, 8, 128), (LARGER, 76, 64, 8, 128)]
)
def test_a_profile_spends_no_more_than_its_card_has(
    profile: Path, usable_gb: int, layers: int, heads: int, size: int
) -> None:
    """The sum that the file's comment writes out, and the flags that the engine is really given."""
    flags = env(made(profile))
    written = dict(re.findall(r"^#   (weights|KV cache|overhead) +([\d.]+)", profile.read_text(), re.MULTILINE))
    tokens = int(flags["MAX_TOTAL_TOKENS"]) * int(flags["MAX_CONCURRENT_REQUESTS"])
    cache = 2 * layers * heads * size * 2 * tokens / GB
    assert written["KV cache"] == f"{cache:.1f}"
    weights, overhead = float(written["weights"]), float(written["overhead"])
    assert weights + cache + overhead <= usable_gb
    assert int(flags["MAX_INPUT_TOKENS"]) == int(flags["MAX_BATCH_PREFILL_TOKENS"]) < int(flags["MAX_TOTAL_TOKENS"])
    assert float(flags["TGI_WIGGLE_ROOM"]) * {22: 24, 76: 80}[usable_gb] <= usable_gb


@pytest.mark.parametrize(
    ("profile", "changed", "line"),
    [
        (LARGER, {"budget": {"gpuMemoryGB": 24, "usableGB": 22}}, "needs 74.4 GB .* the GPU has 22.0 GB"),
        (LARGER, {"budget": {"gpuMemoryGB": 24}}, "needs 74.4 GB .* the GPU has 24.0 GB"),
        (LARGER, {"nodeSelector": {"tandem.dev/gpu-memory": "24Gi"}}, "asks for GPUs of 24Gi"),
        (SMALLER, {"model": {"uri": "hf://Qwen/Qwen2.5-32B-Instruct-AWQ"}}, "has 32 billion parameters"),
        (SMALLER, {"model": {"uri": "s3://models/qwen3-30b-a3b"}}, "has 30 billion parameters"),
        (SMALLER, {"budget": {"maxConcurrentRequests": 14}}, "needs 23.0 GB"),
        (SMALLER, {"budget": {"usableGB": 24}}, "leave some of the GPU to the driver"),
        (SMALLER, {"budget": {"maxInputTokens": 8192}}, "nothing is left for an answer"),
    ],
)
def test_what_does_not_fit_is_refused(profile: Path, changed: dict[str, Any], line: str) -> None:
    assert re.search(line, told(profile, **changed))


def test_two_cards_hold_what_one_does_not() -> None:
    too_much = {"maxConcurrentRequests": 24}
    assert "needs 33.8 GB" in told(SMALLER, budget=too_much)
    found = made(SMALLER, budget=too_much | {"gpus": 2})
    assert env(found)["NUM_SHARD"] == "2"
    assert model(found)["resources"]["limits"]["nvidia.com/gpu"] == "2"


@pytest.mark.parametrize(
    ("profile", "changed", "line"),
    [
        (SMALLER, {"model": {"uri": "extractive"}}, "is for the runtime small"),
        (SMALLER, {"model": {"uri": "hf://only-a-name"}}, "write hf://ORG/NAME:REVISION"),
        (SMALLER, {"model": {"uri": "ftp://somewhere/model"}}, "give hf://, s3://, pvc://"),
        (SMALLER, {"model": {"uri": "oci://registry.example.com/model:1"}}, "oci.native://"),
        (SMALLER, {"terminationGracePeriodSeconds": 90}, "TGI takes up to 90 s"),
        (CPU, {"model": {"uri": "pvc://models/tiny"}}, "predictor.model.file is empty"),
        (CPU, {"model": {"uri": "hf://org/name:main"}}, "FILE.gguf"),
        (SMALLER, {"runtimes": {"tgi": {"env": {"PORT": "80"}}}}, "tgi.env sets PORT, which the chart sets itself"),
        (CPU, {"runtimes": {"small": {"env": {"TANDEM_SERVER__PORT": "80"}}}}, "small.env sets TANDEM_SERVER__PORT"),
        (CPU, {"autoscaling": {"enabled": True, "minReplicas": 3}}, "minReplicas is 3 and maxReplicas 2"),
    ],
)
def test_what_no_engine_could_serve_is_refused(profile: Path, changed: dict[str, Any], line: str) -> None:
    assert re.search(line, told(profile, **changed))


def test_a_name_that_kserve_refuses_is_refused_before() -> None:
    (line,) = refusal(OPEN | {"fullnameOverride": "8b"}, CPU)
    assert "set fullnameOverride" in line


def test_the_hub_s_models_are_kept_on_a_claim_of_their_own() -> None:
    smaller, larger = made(SMALLER), made(LARGER)
    claims = [found["PersistentVolumeClaim"]["metadata"]["name"] for found in (smaller, larger)]
    assert len(set(claims)) == 2
    assert "storageUri" not in model(smaller)
    assert smaller["InferenceService"]["spec"]["predictor"]["volumes"] == [
        {"name": "cache", "persistentVolumeClaim": {"claimName": claims[0]}}
    ]
    assert env(smaller)["HF_HUB_OFFLINE"] == "0"
    assert len(env(smaller)["REVISION"]) == 40


@pytest.mark.parametrize(
    "uri", ["s3://bucket/model-8b", "pvc://models/8b", "oci+native://registry.example.com/model:1"]
)
def test_what_kserve_brings_needs_no_hub_and_no_claim(uri: str) -> None:
    found = made(SMALLER, model={"uri": uri}, tokenSecret={"name": "hub"})
    assert model(found)["storageUri"] == uri
    assert env(found)["MODEL_ID"] == "/mnt/models"
    assert env(found)["HF_HUB_OFFLINE"] == "1"
    assert "PersistentVolumeClaim" not in found
    assert "REVISION" not in env(found)
    assert env(found)["HF_TOKEN"] == "from a secret"


def test_a_runtime_is_never_taken_by_itself_and_brings_no_agent() -> None:
    for profile in (SMALLER, CPU):
        spec = made(profile)["ServingRuntime"]["spec"]
        assert spec["supportedModelFormats"] == [{"name": "huggingface", "autoSelect": False}]
        assert model(made(profile))["modelFormat"] == {"name": "huggingface"}


def test_one_value_changes_the_engine_and_what_the_gateway_speaks() -> None:
    assert gateway(LARGER)["TANDEM_PREDICTOR__PROTOCOL"] == "tgi"
    assert gateway(LARGER, runtime="vllm") == {
        "TANDEM_PREDICTOR__URL": "http://tandem-predictor.rag.svc.cluster.local",
        "TANDEM_PREDICTOR__LINEAGE": "/etc/tandem-models",
        "TANDEM_PREDICTOR__PROTOCOL": "openai",
        "TANDEM_PREDICTOR__MODEL": "tandem",
    }
    assert {"--served-model-name=tandem", "--max-model-len=8192", "--max-num-seqs=16"} <= set(
        model(made(LARGER, runtime="vllm"))["args"]
    )


def test_gateways_read_what_the_model_was_made_from_where_it_is_kept() -> None:
    found = made(SMALLER, model={"uri": "hf://org/m:abc", "dataset": "support@3", "trainingRun": "run-7"})["ConfigMap"]
    installed = installed_in(found["data"]["installed.json"])
    assert (installed.model, installed.revision) == ("hf://org/m:abc", "abc")
    assert installed.ancestry.over(UNTOLD) == Ancestry("support@3", "run-7")
    pods = [one["spec"]["template"]["spec"] for one in objects(SMALLER, values=OPEN) if one["kind"] == "Deployment"]
    for pod in pods:
        volume = {"name": "models", "configMap": {"name": found["metadata"]["name"], "optional": True}}
        assert volume in pod["volumes"]
        (container,) = pod["containers"]
        assert {"name": "models", "mountPath": "/etc/tandem-models", "readOnly": True} in container["volumeMounts"]
    assert pods


def test_only_a_model_that_may_sleep_is_declared() -> None:
    awake = {"enabled": True, "minReplicas": 1}
    assert "TANDEM_PREDICTOR__DECLARED__ID" not in gateway(SMALLER, autoscaling=awake)
    asleep = gateway(SMALLER, autoscaling=awake | {"minReplicas": 0})
    assert asleep["TANDEM_PREDICTOR__DECLARED__ID"] == "tandem"
    assert asleep == gateway(LARGER, autoscaling=awake | {"minReplicas": 0})


def test_the_replicas_belong_to_one_scaler_only() -> None:
    fixed = made(SMALLER, replicaCount=2)
    assert "ScaledObject" not in fixed
    assert fixed["InferenceService"]["spec"]["predictor"]["minReplicas"] == 2
    scaled = made(SMALLER, autoscaling={"enabled": True, "minReplicas": 0})
    classes = [
        found["InferenceService"]["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"]
        for found in (fixed, scaled)
    ]
    assert classes == ["none", "external"]
    spec = scaled["ScaledObject"]["spec"]
    assert (spec["minReplicaCount"], spec["scaleTargetRef"]["name"]) == (0, "tandem-predictor")
    # A Prometheus that is away lets nobody wait for ever, nor takes anything down.
    assert spec["fallback"] == {"failureThreshold": 6, "replicas": 1, "behavior": "currentReplicasIfHigher"}
    triggers = {trigger["name"]: trigger["metadata"] for trigger in spec["triggers"]}
    # Two thirds of the twelve requests that one replica has room for.
    assert triggers["demand"]["threshold"] == "8"
    assert "tandem_generation_demand{" in triggers["demand"]["query"]
    assert "tgi_queue_size{" in triggers["queue"]["query"]


def test_another_s_predictor_is_used_and_none_made() -> None:
    at = {"external": {"url": "http://llm.models", "protocol": "openai", "model": "big"}}
    assert made(LARGER, **at) == {}
    assert gateway(LARGER, **at) == {
        "TANDEM_PREDICTOR__URL": "http://llm.models",
        "TANDEM_PREDICTOR__PROTOCOL": "openai",
        "TANDEM_PREDICTOR__MODEL": "big",
    }


@pytest.mark.parametrize(
    ("profile", "engine", "variable"),
    [
        (SMALLER, "tgi", "API_KEY"),
        (SMALLER, "vllm", "VLLM_API_KEY"),
        (CPU, "small", "TANDEM_PREDICTOR__API_KEY"),
    ],
)
def test_a_key_that_the_gateway_shows_is_asked_for_by_every_engine(profile: Path, engine: str, variable: str) -> None:
    values = OPEN | {"predictor": {"runtime": engine}, "existingSecrets": {"predictor": {"name": "model", "key": "k"}}}
    found = {one["metadata"]["name"]: one for one in objects(profile, values=values)}
    workload = found["tandem-gateway"]["spec"]["template"]["spec"]["containers"][0]
    asked, shown = found["tandem"]["spec"]["predictor"]["model"], workload
    for container, name in ((asked, variable), (shown, "TANDEM_PREDICTOR__API_KEY")):
        (one,) = (each for each in container["env"] if each["name"] == name)
        assert one["valueFrom"] == {"secretKeyRef": {"name": "model", "key": "k"}}
