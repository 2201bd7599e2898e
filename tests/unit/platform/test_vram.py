from typing import Any

import pytest

from fakes.kubernetes_objects import facts, node, one, thing
from tandem.domain.errors import ConfigurationError
from tandem.platform.facts import Facts, Installed
from tandem.platform.rules.vram import vram

BUDGET = {"gpuMemoryGB": 24, "usableGB": 22, "gpus": 1, "weightsGB": 5.8, "overheadGB": 2.2, "kvBytesPerToken": 131072,
          "maxInputTokens": 6144, "maxTotalTokens": 8192, "maxConcurrentRequests": 12}  # fmt: skip
AWQ = "hf://hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4:db1f81ad4b8c7e39777509fac66c652eb0a52f91"
FP16 = "hf://meta-llama/Llama-3.1-8B-Instruct:main"


def release(uri: str = AWQ, *objects: Any, runtime: str = "tgi", **budget: Any) -> Facts:
    predictor = {"enabled": True, "runtime": runtime, "model": {"uri": uri}, "budget": {**BUDGET, **budget}}
    return facts(*objects, installed=Installed("deployed", 1, "", "", {}, {"predictor": predictor}))


def test_a_profile_as_it_is_made_fits() -> None:
    assert list(vram(release())) == []


def test_the_budget_of_another_quantisation_is_noticed() -> None:
    finding = one(vram(release(FP16)))
    assert finding.problem.startswith("llama-3.1-8b in fp16 needs 31.1 GB (weights 16.1, caches of 12 requests of 8192")
    assert "lower predictor.budget.maxConcurrentRequests to 3" in finding.fix
    assert list(vram(release(FP16, maxConcurrentRequests=3))) == []


def test_a_model_that_does_not_fit_at_all() -> None:
    assert "a larger GPU" in one(vram(release(FP16, gpuMemoryGB=16, usableGB=14))).fix


def test_more_context_than_the_model_has() -> None:
    assert "takes 131072" in one(vram(release(maxTotalTokens=200_000, maxConcurrentRequests=0))).problem


def test_an_unknown_model_is_held_to_its_own_budget() -> None:
    assert list(vram(release("hf://org/other:1"))) == []
    assert one(vram(release("hf://org/other:1", weightsGB=12))).problem.startswith("the model needs 27.1 GB")


def test_a_gpu_that_is_smaller_than_the_budget_counts_with() -> None:
    template = {"spec": {"nodeSelector": {"pool": "gpu"}, "containers": []}}
    pod = thing("Deployment", "tandem-predictor", "predictor", spec={"template": template})
    labels = {"pool": "gpu", "nvidia.com/gpu.memory": "15360"}
    assert "has 16 GB by its label" in one(vram(release(AWQ, pod, node("t4", labels=labels)))).problem
    assert list(vram(release(AWQ, pod, node("t4", labels=labels | {"pool": "other"}), node("a10g", labels=labels | {"nvidia.com/gpu.memory": "23028"})))) == []  # fmt: skip


def test_without_a_gpu_nothing_is_said_and_what_is_no_number_is_refused() -> None:
    assert list(vram(release(gpuMemoryGB=0))) == []
    assert list(vram(release("extractive", runtime="small", weightsGB=99))) == []
    with pytest.raises(ConfigurationError, match="no number"):
        list(vram(release(weightsGB="much")))
