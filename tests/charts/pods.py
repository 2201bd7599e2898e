"""The pods that rendered objects stand for, whoever makes them: workloads, hooks, KServe from a runtime and a service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from charts.rendering import Object

# Of an InferenceService's predictor: what is no field of a pod.
_KSERVE = frozenset(
    {"model", "minReplicas", "maxReplicas", "deploymentStrategy", "labels", "annotations", "scaleMetric", "scaleTarget"}
)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod's labels, annotations and spec, and what makes it."""

    owner: Object
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Object

    @property
    def name(self) -> str:
        return f"{self.owner['kind']}/{self.owner['metadata']['name']}"

    @property
    def serves(self) -> bool:
        """Not one that runs once, as that of `helm test`."""
        return self.owner["kind"] not in {"Pod", "Job"}

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]


def pods(found: Sequence[Object]) -> Iterator[Pod]:
    """Every pod of a release."""
    for one in found:
        match one["kind"]:
            case "Deployment" | "StatefulSet":
                yield _pod(one, one["spec"]["template"])
            case "Pod":
                yield _pod(one, one)
            case "ConfigMap" if job := batch_job(one):
                yield _pod(job, job["spec"]["template"])
            case "InferenceService":
                (runtime,) = [each for each in found if each["kind"] == "ServingRuntime"]
                yield _served(one, runtime)


def batch_job(config: Object) -> Object | None:
    """The Job that is made for a batch, where the configuration holds one."""
    job: Object | None = yaml.safe_load(config.get("data", {}).get("batch-job.yaml", "null"))
    return job


def _pod(owner: Object, template: Object) -> Pod:
    metadata = template["metadata"]
    return Pod(owner, metadata["labels"], metadata.get("annotations", {}), template["spec"])


def _served(service: Object, runtime: Object) -> Pod:
    """As KServe merges them: the model's container over the runtime's, and labels of its own."""
    predictor = service["spec"]["predictor"]
    (container,) = runtime["spec"]["containers"]
    model = predictor["model"]
    merged = {**container, "args": model.get("args", []), "env": model["env"], "resources": model["resources"]}
    merged["volumeMounts"] = container["volumeMounts"] + model["volumeMounts"]
    spec: dict[str, Any] = {key: value for key, value in predictor.items() if key not in _KSERVE}
    spec["containers"] = [merged]
    spec["volumes"] = runtime["spec"]["volumes"] + predictor["volumes"]
    own = {"serving.kserve.io/inferenceservice": service["metadata"]["name"], "component": "predictor"}
    return Pod(service, {**predictor["labels"], **own}, predictor.get("annotations", {}), spec)


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector means what has these labels."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(_holds(each, labels) for each in selector.get("matchExpressions", ()))


def _holds(expression: Object, labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None
