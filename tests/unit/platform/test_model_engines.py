from typing import Any

import pytest

from tandem.domain.errors import ConfigurationError
from tandem.domain.model_version import ModelFile, ModelVersion, Shape
from tandem.platform.models.engine import engine_of, told_of
from tandem.platform.models.fit import check_fit

WEIGHTS = (ModelFile("m.safetensors", 16_000_000_000),)
HUB = ModelVersion(
    "m", "hf://org/m", "main", "c" * 40, f"hf://org/m:{'c' * 40}", WEIGHTS, shape=Shape(32, 8, 128, 8192)
)
BUCKET = ModelVersion("m", "/models/m", "", "sha256:1", "s3://models/m", WEIGHTS)
CLAIMED = ModelVersion("m", "/models/m", "", "sha256:2", "pvc://models/m", (ModelFile("m.gguf", 100),))
GGUF = ModelVersion("m", "hf://org/m", "", "d" * 40, f"hf://org/m@{'d' * 40}/m.gguf", (ModelFile("m.gguf", 100),))


def service(env: dict[str, str], args: list[str] | None = None, **predictor: Any) -> dict[str, Any]:
    model: dict[str, Any] = {"env": [{"name": name, "value": value} for name, value in env.items()]}
    model |= {"args": args} if args is not None else {}
    model |= {"resources": predictor.pop("resources", {})}
    return {"metadata": {"name": "tandem"}, "spec": {"predictor": {"model": model, **predictor}}}


TGI = service({"MODEL_ID": "org/old", "REVISION": "x", "MAX_TOTAL_TOKENS": "8192", "MAX_CONCURRENT_REQUESTS": "4"})
VLLM = service(
    {}, ["--model=org/old", "--revision=x", "--served-model-name=tandem", "--quantization=fp8", "--port=8080"]
)
SMALL = service({"TANDEM_PREDICTOR__MODEL": "extractive"}, ["serve"])


def test_each_engine_is_told_in_its_own_way() -> None:
    assert [engine_of(each) for each in (TGI, VLLM, SMALL)] == ["tgi", "vllm", "small"]
    assert told_of(TGI, HUB, "awq", "").env == {
        "MODEL_ID": "org/m", "REVISION": "c" * 40, "QUANTIZE": "awq", "HF_HUB_OFFLINE": "0",
    }  # fmt: skip
    assert told_of(VLLM, HUB, "fp8", "").args == (
        "--model=org/m", f"--revision={'c' * 40}", "--served-model-name=tandem", "--port=8080", "--quantization=fp8",
    )  # fmt: skip
    assert told_of(SMALL, GGUF, "", "m.gguf").env["TANDEM_PREDICTOR__MODEL"] == GGUF.uri


def test_what_kserve_brings_is_read_where_it_lies() -> None:
    told = told_of(TGI, BUCKET, "", "")
    assert (told.storage_uri, told.env["MODEL_ID"], told.env["HF_HUB_OFFLINE"]) == ("s3://models/m", "/mnt/models", "1")
    assert told_of(VLLM, BUCKET, "awq", "").args == ("--model=/mnt/models", "--served-model-name=tandem", "--port=8080")


def test_an_engine_that_reads_a_file_is_told_the_one_that_lies_there() -> None:
    told = told_of(SMALL, CLAIMED, "", "")
    assert (told.storage_uri, told.env["TANDEM_PREDICTOR__MODEL"]) == ("pvc://models/m", "/mnt/models/m.gguf")
    assert told_of(SMALL, CLAIMED, "", "q4/m.gguf").env["TANDEM_PREDICTOR__MODEL"] == "/mnt/models/q4/m.gguf"


@pytest.mark.parametrize(("engine", "version"), [(TGI, GGUF), (VLLM, GGUF), (SMALL, HUB)])
def test_a_format_that_an_engine_does_not_read(engine: dict[str, Any], version: ModelVersion) -> None:
    with pytest.raises(ConfigurationError, match="is in the format") as told:
        told_of(engine, version, "", "")
    assert told.value.hint


def test_an_inference_service_of_others() -> None:
    with pytest.raises(ConfigurationError, match="its engine is not known"):
        engine_of(service({"OTHER": "1"}))


def gpus(count: str, labels: dict[str, str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    limits = {"limits": {"nvidia.com/gpu": count}}
    env = {"MODEL_ID": "x", "MAX_TOTAL_TOKENS": "8192", "MAX_CONCURRENT_REQUESTS": "4"}
    node = {"metadata": {"labels": {"pool": "gpu", **labels}}}
    return service(env, resources=limits, nodeSelector={"pool": "gpu"}), [node]


def test_weights_and_cache_fit_the_gpu_or_not() -> None:
    # 16 GB, and 4 × 8192 tokens of 131072 bytes: 4.3 GB; of 24 GiB 90 % less 2 GB are 21.2 GB.
    assert check_fit(*_with(gpus("1", {"tandem.dev/gpu-memory": "24Gi"}), HUB)) == ""
    with pytest.raises(
        ConfigurationError, match=r"weights take 16\.0 GB and the KV cache of 4 .* 4\.3 GB, 1 GPU of 17 GB"
    ):
        check_fit(*_with(gpus("1", {"nvidia.com/gpu.memory": "16384"}), HUB))
    assert check_fit(*_with(gpus("2", {"nvidia.com/gpu.memory": "16384"}), HUB)) == ""


def test_what_cannot_be_checked_is_said() -> None:
    assert "no node tells" in check_fit(*_with(gpus("1", {}), HUB))
    assert "not known" in check_fit(*_with(gpus("1", {}), GGUF_UNSIZED))


def test_labels_and_budgets_that_are_no_numbers() -> None:
    odd = {"nvidia.com/gpu.memory": "24GB", "tandem.dev/gpu-memory": "large"}
    assert "no node tells" in check_fit(*_with(gpus("1", odd), HUB))
    engine, nodes = gpus("1", {"tandem.dev/gpu-memory": "80Gi"})
    engine["spec"]["predictor"]["model"]["env"][1]["value"] = "8k"
    with pytest.raises(ConfigurationError, match=r"tandem has something that is no number: .*8k") as told:
        check_fit(engine, HUB, nodes)
    assert told.value.hint


def test_the_longest_request_is_within_the_models_context() -> None:
    engine, nodes = gpus("1", {"tandem.dev/gpu-memory": "80Gi"})
    short = ModelVersion("m", "", "", "1", "s3://m", WEIGHTS, shape=Shape(32, 8, 128, 4096))
    with pytest.raises(ConfigurationError, match="takes 4096 tokens, the engine tgi is set to 8192"):
        check_fit(engine, short, nodes)


def test_without_a_gpu_the_pods_memory_counts() -> None:
    with pytest.raises(ConfigurationError, match=r"16\.0 GB, a pod has 1\.1 GB of memory"):
        check_fit(service({"TANDEM_PREDICTOR__MODEL": "x"}, resources={"limits": {"memory": "1Gi"}}), HUB, [])


GGUF_UNSIZED = ModelVersion("m", "", "", "1", "s3://m", (ModelFile("m.gguf"),))


def _with(
    found: tuple[dict[str, Any], list[dict[str, Any]]], version: ModelVersion
) -> tuple[dict[str, Any], ModelVersion, list[dict[str, Any]]]:
    return found[0], version, found[1]
