"""A values file for `charts/tandem` that deploys the recommended shape."""

import math
from typing import Any

import yaml

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.costs import vcpus_of_gateway
from tandem.platform.plan.planning import Plan
from tandem.platform.plan.servers import MOST_AT_ONCE
from tandem.platform.plan.shapes import CLOUD, HYBRID, MICROSERVICES, MONOLITH, ONPREM, Shape
from tandem.platform.plan.sizing import initial_limit

_RELEASE = "tandem"
_DIGITS = 2
# From there on a machine's GPU brings enough CPU and memory for the larger of the chart's profiles.
_LARGE_VCPUS = 8
_GPU_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def values_text(plan: Plan) -> str:
    """The file: what it was made from in its first lines, then the values. Raises `ConfigurationError` without weights to name."""
    shape = plan.recommended
    secrets = "tandem-keys (docs/access.md) and tandem-retriever"
    if shape.name in {CLOUD, HYBRID}:
        secrets += ", and the provider's key in tandem-cloud"
    lines = [
        f"Made by `tandem plan`: {plan.reason}",
        f"{plan.traffic.model} in {plan.fit.quantisation} on {plan.traffic.gpu}, {plan.traffic.peak:g} requests a second in the busiest hour.",
        f"Needs these Secrets: {secrets}. Install as release {_RELEASE} in the namespace {_RELEASE}.",
    ]
    head = "".join(f"# {line}\n" for line in lines)
    return head + yaml.safe_dump(values(plan), sort_keys=False, allow_unicode=True, width=120)


def values(plan: Plan) -> dict[str, Any]:
    """As the chart's schema wants them."""
    shape = plan.recommended
    found: dict[str, Any] = {
        "fullnameOverride": _RELEASE,
        "existingSecrets": {"keysFile": {"name": "tandem-keys"}, "retriever": {"name": "tandem-retriever"}},
        "config": _config(plan, shape),
        "gateway": _gateway(plan, shape),
        "predictor": {"enabled": False} if shape.name == CLOUD else _predictor(plan, shape),
    }
    if shape.name in {CLOUD, HYBRID}:
        found["existingSecrets"]["pools"] = {"cloud": {"name": "tandem-cloud", "key": "api-key"}}
    return found


def _config(plan: Plan, shape: Shape) -> dict[str, Any]:
    traffic = plan.traffic
    config: dict[str, Any] = {"server": {"request_timeout_s": traffic.timeout_s}}
    if shape.name == MICROSERVICES and not traffic.least_replicas:
        # Who wakes the model is held until it has started.
        wake_s = math.ceil(1.5 * plan.fit.times.start_s)
        config["resilience"] = {"wake_s": wake_s}
        config["server"]["request_timeout_s"] = wake_s + traffic.timeout_s
    if traffic.tenants:
        config["tenants"] = {
            name: {"regions": sorted(one.regions)} for name, one in traffic.tenants.items() if one.regions is not None
        }
    if shape.name in {CLOUD, HYBRID}:
        config["pools"] = [*([_near(plan, shape)] if shape.name == HYBRID else []), _far(plan)]
    elif traffic.tenants and config["tenants"]:
        # Residency is asked of a pool's region, which the one that the chart describes by itself has none of.
        region = traffic.regions.onprem if shape.name == ONPREM else traffic.regions.cloud
        config["pools"] = [{**_pool(plan, shape, "default", region)}]
    else:
        config["admission"] = _admission(plan, shape)
    return config


def _near(plan: Plan, shape: Shape) -> dict[str, Any]:
    wait_s, back_s = plan.spill_wait_s
    spill = {"queue_wait_s": round(wait_s, 3), "return_wait_s": round(back_s, 3), "hold_s": 10}
    return {**_pool(plan, shape, "onprem", plan.traffic.regions.onprem), "spill": spill}


def _pool(plan: Plan, shape: Shape, name: str, region: str) -> dict[str, Any]:
    served = "tgi" if plan.traffic.engine == "tgi" else "openai"
    endpoint = {"url": f"http://{_RELEASE}-predictor.{_RELEASE}.svc.cluster.local", "protocol": served}
    if served == "openai":
        endpoint["model"] = "tandem"
    model = {"id": plan.traffic.model, "engine": plan.traffic.engine, "context_tokens": plan.fit.total_tokens}
    return {
        "name": name,
        "region": region,
        "model": model,
        "endpoints": [endpoint],
        "admission": _admission(plan, shape),
    }


def _far(plan: Plan) -> dict[str, Any]:
    traffic = plan.traffic
    known = plan.book.model(traffic.model)
    prices = plan.book.token_prices(traffic.model)
    if known.api is None or prices is None:
        raise ConfigurationError(f"The price book has no provider of {traffic.model}.", hint="Give one with --prices.")
    return {
        "name": "cloud",
        "region": traffic.regions.api,
        "model": {"id": traffic.model, "engine": "openai", "context_tokens": known.context_tokens},
        "endpoints": [{"url": plan.book.api.url, "protocol": "openai", "model": known.api.name}],
        "input_cost_per_million": round(prices[0] * 1e6, 6),
        "output_cost_per_million": round(prices[1] * 1e6, 6),
    }


def _admission(plan: Plan, shape: Shape) -> dict[str, int]:
    gateways = max(1, int(shape.gateways.max()))
    initial = initial_limit(plan.fit, shape.most_replicas, gateways)
    most = MOST_AT_ONCE
    if shape.name == HYBRID and shape.demand is not None:
        most = max(1, min(most, math.ceil(shape.demand * shape.most_replicas / gateways)))
    return {"initial": min(initial, most), "min": 1, "max": most}


def _gateway(plan: Plan, shape: Shape) -> dict[str, Any]:
    least, most = int(shape.gateways.min()), int(shape.gateways.max())
    per_pod = plan.traffic.gateway.requests_per_second
    found: dict[str, Any] = {
        "replicaCount": most,
        "resources": {
            "requests": {"cpu": f"{round(1000 * vcpus_of_gateway(plan.traffic))}m", "memory": "512Mi"},
            "limits": {"memory": "1Gi"},
        },
    }
    if shape.name == MONOLITH:
        # Gateways are where the model is: as many, on the same machines.
        beside = {"matchLabels": {"app.kubernetes.io/component": "predictor"}}
        term = {"labelSelector": beside, "topologyKey": "kubernetes.io/hostname"}
        found["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        found["tolerations"] = [dict(_GPU_TAINT)]
        per_pod = max(0.01, round(plan.traffic.peak / most, 2))
    if most > least:
        scaled = {"enabled": True, "minReplicas": max(1, least), "maxReplicas": most, "requestsPerSecond": per_pod}
        found["autoscaling"] = scaled
    return found


def _predictor(plan: Plan, shape: Shape) -> dict[str, Any]:
    traffic, fit = plan.traffic, plan.fit
    gpu, model = plan.book.gpu(traffic.gpu), plan.book.model(traffic.model)
    uri = model.uris.get(fit.quantisation)
    if uri is None:
        raise ConfigurationError(
            f"The price book names no weights of {traffic.model} in {fit.quantisation}.",
            hint=f"Give models.{traffic.model}.uris.{fit.quantisation} with --prices.",
        )
    found: dict[str, Any] = {
        "runtime": traffic.engine,
        "model": {"uri": uri, "quantization": {"fp16": "", "int8": "gptq"}.get(fit.quantisation, fit.quantisation)},
        "budget": {
            "gpuMemoryGB": gpu.memory_gb,
            "usableGB": fit.usable_gb,
            "gpus": fit.gpus,
            "weightsGB": round(fit.weights_gb, _DIGITS),
            "overheadGB": round(fit.overhead_gb, _DIGITS),
            "kvBytesPerToken": fit.kv_bytes_per_token,
            "maxInputTokens": fit.input_tokens,
            "maxTotalTokens": fit.total_tokens,
            "maxConcurrentRequests": fit.times.slots,
        },
        "nodeSelector": {"tandem.dev/pool": f"gpu-{traffic.gpu.partition('-')[0]}"},
        "tolerations": [dict(_GPU_TAINT)],
        "replicaCount": shape.most_replicas,
        # Several replicas of a volume that one node mounts would have to share that node.
        "cache": {"enabled": shape.most_replicas <= 1, "size": f"{math.ceil(4 * fit.weights_gb)}Gi"},
    }
    if gpu.vcpus >= _LARGE_VCPUS:
        found["resources"] = {"requests": {"cpu": "8", "memory": "64Gi"}, "limits": {"memory": "96Gi"}}
    if not shape.owned:
        found["autoscaling"] = {
            "enabled": True,
            "minReplicas": traffic.least_replicas,
            "maxReplicas": max(1, shape.most_replicas),
            "demandPerReplica": shape.demand or "",
        }
    return found
