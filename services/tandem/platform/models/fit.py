"""Whether a model fits the hardware that the InferenceService asks for: known before a GPU is waited for."""

from collections.abc import Sequence

from kubernetes.utils.quantity import parse_quantity

from tandem.domain.errors import ConfigurationError
from tandem.domain.model_version import ModelVersion
from tandem.platform.models.engine import arguments, engine_of, environment
from tandem.platform.objects import Object, at, labels_of, name_of
from tandem.platform.placement import (
    GPU,
    OUR_GPU_MEMORY,
    THEIR_GPU_MEMORY,
    gpu_memory_gb,
    matching,
    wanted_labels,
)

# CUDA's context and graphs, and the activations of one prefill, as the chart's profiles have it.
_OVERHEAD_GB = 2.0
_USABLE = 0.9


def check_fit(service: Object, version: ModelVersion, nodes: Sequence[Object]) -> str:
    """Why nothing could be checked; empty when it fits. Raises `ConfigurationError` when it does not."""
    weights = version.weight_bytes
    if weights is None:
        return "the size of its weights is not known"
    limits = at(service, "spec", "predictor", "model", "resources", "limits", default={})
    gpus = int(limits.get(GPU) or 0)
    if not gpus:
        return _in_memory(version, weights, limits.get("memory"))
    memory = _smallest_gb(service, nodes)
    if memory is None:
        return f"no node tells how much memory its GPUs have ({OUR_GPU_MEMORY}, {THEIR_GPU_MEMORY})"
    share, tokens, requests = _budget(service)
    usable = gpus * (memory * share - _OVERHEAD_GB)
    cache = version.shape.kv_bytes_per_token() * tokens * requests / 1e9 if version.shape else 0.0
    need = weights / 1e9 + cache
    if need > usable:
        raise ConfigurationError(
            f"{version.name} does not fit: its weights take {weights / 1e9:.1f} GB and the KV cache of {requests} requests of "
            f"{tokens} tokens {cache:.1f} GB, {gpus} GPU{'s' if gpus > 1 else ''} of {memory:.0f} GB leave {usable:.1f} GB to the engine.",
            hint="Take a quantized or smaller model, fewer predictor.budget.maxConcurrentRequests or maxTotalTokens, or a larger GPU.",
        )
    context = version.shape.context_tokens if version.shape else 0
    if context and tokens > context:
        raise ConfigurationError(
            f"{version.name} takes {context} tokens, the engine {engine_of(service)} is set to {tokens}.",
            hint=f"Install the chart with predictor.budget.maxTotalTokens={context} or less.",
        )
    return ""


def _budget(service: Object) -> tuple[float, int, int]:
    """The share of a GPU's memory that the engine takes, the tokens of a request, and the requests at a time."""
    env = environment(service)
    args = dict(each[2:].split("=", 1) for each in arguments(service) if each.startswith("--") and "=" in each)
    try:
        return (
            float(env.get("TGI_WIGGLE_ROOM") or args.get("gpu-memory-utilization") or _USABLE),
            int(env.get("MAX_TOTAL_TOKENS") or args.get("max-model-len") or 0),
            int(env.get("MAX_CONCURRENT_REQUESTS") or args.get("max-num-seqs") or 1),
        )
    except ValueError as error:
        raise ConfigurationError(
            f"The engine's budget in {name_of(service)} has something that is no number: {error}.",
            hint="Install the chart with numbers in predictor.budget.",
        ) from error


def _smallest_gb(service: Object, nodes: Sequence[Object]) -> float | None:
    """Of one GPU of the nodes that it may go to; by the selector's own label where that says it."""
    pod = {"spec": at(service, "spec", "predictor", default={})}
    wanted = [{key: value} for key, values in wanted_labels(pod) if key == OUR_GPU_MEMORY for value in values]
    told = (gpu_memory_gb(labels) for labels in (*wanted, *map(labels_of, matching(pod, nodes))))
    return min((each for each in told if each is not None), default=None)


def _in_memory(version: ModelVersion, weights: int, limit: object) -> str:
    if limit is None:
        return "the pods have no limit of memory"
    have = float(parse_quantity(str(limit)))
    if weights > have:
        raise ConfigurationError(
            f"{version.name} does not fit: its weights take {weights / 1e9:.1f} GB, a pod has {have / 1e9:.1f} GB of memory.",
            hint="Take a smaller model, or raise predictor.resources.limits.memory.",
        )
    return ""
