"""What a values file would make of the chart: rendered by Helm, or, where there is no Helm, read from the values alone."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tandem.domain.errors import ConfigurationError
from tandem.platform.helm import documents, merged, needs
from tandem.platform.objects import COMPONENT, INSTANCE, Object, at, component_of, labels_of, name_of
from tandem.platform.placement import requested

_HELM_S = 60.0
_WORKLOADS = ("gateway", "retriever", "worker")
# Rendered as if everything were there: what is not is told by the rules, all of it at once.
_APIS = (
    "serving.kserve.io/v1beta1",
    "serving.kserve.io/v1alpha1",
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
    "gateway.networking.k8s.io/v1",
)


@dataclass(frozen=True, slots=True)
class Planned:
    """`objects` by kind; `needs` the kinds by apiVersion; `refused`: why the chart does not take the values, in one line.

    `whole` is False where the values alone were read.
    """

    objects: Mapping[str, tuple[Object, ...]]
    needs: Mapping[str, frozenset[str]]
    values: Mapping[str, Any]
    refused: str = ""
    whole: bool = True


def plan(files: Sequence[Path], chart: str, release: str, namespace: str, version: str) -> Planned:
    """Raises `ConfigurationError` for a file or a chart that cannot be read."""
    given = merged_files(files)
    helm = shutil.which("helm")
    if helm is None:
        defaults = Path(chart, "values.yaml")
        values = merged(_read(defaults), given) if defaults.is_file() else given
        return Planned(_kinds(_checked_sketch(values, release)), _sketched_needs(values), values, whole=False)
    values = merged(_parsed(_checked(_ran(helm, "show", "values", chart), chart), chart), given)
    flags = [flag for file in files for flag in ("--values", str(file))]
    flags += [flag for api in _APIS for flag in ("--api-versions", api)]
    flags += ["--kube-version", version] if version else []
    done = _ran(helm, "template", release, chart, "--namespace", namespace, "--skip-tests", *flags)
    if done.returncode:
        # What the chart does not take has no meaning that could be looked at.
        return Planned({}, {}, {}, refused=_reason(done.stderr))
    found = documents(done.stdout)
    return Planned(_kinds([*found, *_made(found)]), needs(found), values)


def merged_files(files: Sequence[Path]) -> dict[str, Any]:
    """Later ones over earlier ones."""
    values: dict[str, Any] = {}
    for file in files:
        values = merged(values, _read(file))
    return values


def _read(file: Path) -> dict[str, Any]:
    try:
        return _parsed(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"The values {file} cannot be read: {why}.", hint="--values FILE, as helm's."
        ) from error


def _parsed(text: str, whose: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{whose} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{whose} has no mapping of values.", hint="charts/tandem/values.yaml lists them all.")
    return found


def _ran(helm: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    try:
        # No shell: whatever a name is, it is one argument of helm's.
        return subprocess.run(  # noqa: S603
            [helm, *arguments], capture_output=True, text=True, timeout=_HELM_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"helm {arguments[0]} does not end well: {error}") from error


def _checked(done: "subprocess.CompletedProcess[str]", chart: str) -> str:
    if done.returncode:
        raise ConfigurationError(
            f"The chart {chart} cannot be read: {_reason(done.stderr)}",
            hint="Pass --chart with the chart's folder, or the oci:// address that it is installed from.",
        )
    return done.stdout


def _reason(said: str) -> str:
    """The chart's own words, without Helm's around them."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("Use --debug")]
    text = " ".join(line.removeprefix("Error: ") for line in lines)
    return text.partition("): ")[2] if text.startswith("execution error at (") else text


def _kinds(objects: Sequence[Object]) -> dict[str, tuple[Object, ...]]:
    """By kind; each workload also as one of its pods."""
    kinds: dict[str, tuple[Object, ...]] = {}
    for each in [*objects, *(_pod(each) for each in objects if each.get("kind") in {"Deployment", "StatefulSet"})]:
        kinds[str(each["kind"])] = (*kinds.get(str(each["kind"]), ()), each)
    return kinds


def _pod(workload: Object) -> Object:
    labels = {**labels_of(workload), **at(workload, "spec", "template", "metadata", "labels", default={})}
    spec = at(workload, "spec", "template", "spec", default={})
    return {"kind": "Pod", "metadata": {"name": name_of(workload), "labels": labels}, "spec": spec}


def _made(objects: Sequence[Object]) -> Iterator[Object]:
    """What controllers make of them: claims of StatefulSets, and KServe's Deployment."""
    runtimes = {name_of(each): each for each in objects if each.get("kind") == "ServingRuntime"}
    for each in objects:
        if each.get("kind") == "StatefulSet":
            for claim in at(each, "spec", "volumeClaimTemplates", default=()):
                yield _claim(f"{name_of(claim)}-{name_of(each)}-0", component_of(each), claim.get("spec") or {})
        elif each.get("kind") == "InferenceService":
            yield _deployment_of(each, runtimes)


def _claim(name: str, component: str, spec: Object) -> Object:
    metadata = {"name": name, "labels": {COMPONENT: component}}
    return {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _deployment_of(service: Object, runtimes: Mapping[str, Object]) -> Object:
    predictor: Object = at(service, "spec", "predictor", default={})
    model: Object = predictor.get("model") or {}
    runtime: Object = at(runtimes.get(str(model.get("runtime")), {}), "spec", default={})
    found: list[Object] = at(runtime, "containers", default=None) or predictor.get("containers") or [{}]
    first, *others = found
    env = [*(first.get("env") or ()), *(model.get("env") or ())]
    container = {**first, "env": env, **({"resources": model["resources"]} if model.get("resources") else {})}
    volumes = [*(runtime.get("volumes") or ()), *(predictor.get("volumes") or ())]
    spec = {**predictor, "containers": [container, *others], "volumes": volumes}
    # What KServe adds, and the chart's NetworkPolicy goes by.
    kserve = {"component": "predictor", "serving.kserve.io/inferenceservice": name_of(service)}
    labels = {**labels_of(service), **(predictor.get("labels") or {}), **kserve}
    return {
        "kind": "Deployment",
        "metadata": {"name": f"{name_of(service)}-predictor", "labels": labels},
        "spec": {
            "replicas": predictor.get("minReplicas", 1),
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _checked_sketch(values: Mapping[str, Any], release: str) -> list[Object]:
    """Nobody has held these values to the chart's schema. Raises `ConfigurationError` where they make no sense."""
    try:
        found = _sketched(values, release)
        for each in found:
            requested(at(each, "spec", "template", default={}))
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"These values are not what the chart takes: {' '.join(str(error).split())}",
            hint="With helm on PATH the place is named.",
        ) from error
    return found


def _sketched(values: Mapping[str, Any], release: str) -> list[Object]:
    """As much of the workloads as their values say: where they run, what they ask for, and their claims."""
    found: list[Object] = []
    for component in (*_WORKLOADS, "predictor"):
        own: Object = at(values, component, default={})
        if not own.get("enabled") or at(own, "external", "url"):
            continue
        labels = {INSTANCE: release, COMPONENT: component}
        kept = {key: own[key] for key in ("nodeSelector", "tolerations", "affinity") if own.get(key)}
        resources = own.get("resources") or {}
        gpus = at(own, "budget", "gpus") if component == "predictor" and own.get("runtime") != "small" else None
        if gpus and at(own, "budget", "gpuMemoryGB"):
            resources = merged(resources, {"requests": {"nvidia.com/gpu": str(gpus)}})
        template = {
            "metadata": {"labels": labels},
            "spec": {**kept, "containers": [{"name": component, "resources": resources}]},
        }
        spec = {"replicas": own.get("replicaCount", 1), "template": template}
        found.append(
            {"kind": "Deployment", "metadata": {"name": f"{release}-{component}", "labels": labels}, "spec": spec}
        )
        disk = own.get("cache" if component == "predictor" else "persistence") or {}
        if disk.get("enabled") and not disk.get("existingClaim"):
            wanted = {"storageClassName": disk["storageClass"]} if disk.get("storageClass") else {}
            found.append(_claim(f"{release}-{component}", component, wanted))
    return found


def _sketched_needs(values: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    predictor: Object = at(values, "predictor", default={})
    deployed = predictor.get("enabled") and not at(predictor, "external", "url")
    return {"serving.kserve.io/v1beta1": frozenset({"InferenceService"})} if deployed else {}
