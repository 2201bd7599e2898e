"""A pod that ingests, made after the pods of an installed release: its image, its configuration, its secrets, and nothing more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.domain.errors import ConfigurationError
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.objects import COMPONENT, INSTANCE, Object, at, containers, labels_of, name_of

COMPONENT_OF_JOBS = "ingest"
"""The chart's NetworkPolicies know pods with this component."""
_KINDS = (
    ("deployments", "worker"),
    ("deployments", "gateway"),
    ("statefulsets", "gateway"),
    ("statefulsets", "worker"),
)
# What serves requests, generates or keeps answers is none of an ingestion's business, and neither are the secrets for it.
_NOT_ITS_BUSINESS = (
    "TANDEM_AUTH__",
    "TANDEM_PREDICTOR__",
    "TANDEM_POOLS",
    "TANDEM_QUOTAS__",
    "TANDEM_WORKER__",
    "TANDEM_STATE__",
    "TANDEM_JOBS__",
    "TANDEM_BATCHES__",
    "TANDEM_PRIVACY__",
    "POOL_",
)
# Callers' keys, records of answers, and the token that makes Jobs.
_VOLUMES_OF_OTHERS = frozenset({"keys", "spool", "kubernetes"})
_KEPT_OF_THE_POD = ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity")
_RESOURCES = {"requests": {"cpu": "500m", "memory": "768Mi"}, "limits": {"memory": "2Gi"}}
_VALUES = frozenset(
    {"resources", "env", "volumes", "volumeMounts", "nodeSelector", "tolerations", "affinity", "priorityClassName",
     "imagePullSecrets", "podLabels", "podAnnotations"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workload:
    """An installed workload: what its pods are made of, and the labels that all objects of the release share."""

    release: str
    namespace: str
    prefix: str
    labels: Mapping[str, str]
    pod: Object


def workload_of(cluster: Cluster, release: str) -> Workload:
    """The release's worker, else its gateway: both know where documents go. Raises `ConfigurationError` without any."""
    for plural, component in _KINDS:
        path = f"/apis/apps/v1/namespaces/{cluster.namespace}/{plural}"
        try:
            found = cluster.items(path, labelSelector=f"{INSTANCE}={release},{COMPONENT}={component}")
        except Refused as refused:
            raise ConfigurationError(
                f"The {plural} of {cluster.namespace} cannot be read: {refused.message}",
                hint="docs/ingestion-at-scale.md lists the rights that this needs.",
            ) from refused
        if found:
            return Workload(
                release,
                cluster.namespace,
                name_of(found[0]).removesuffix(f"-{component}"),
                _shared(labels_of(found[0])),
                at(found[0], "spec", "template", default={}),
            )
    raise ConfigurationError(
        f"There is no release {release} with a gateway or a worker in the namespace {cluster.namespace}.",
        hint="Check --release and --namespace; helm list --all-namespaces shows what is installed.",
    )


def _shared(labels: Mapping[str, str]) -> dict[str, str]:
    names = ("app.kubernetes.io/name", INSTANCE, "app.kubernetes.io/part-of")
    return {name: labels[name] for name in names if name in labels}


def pod_template(
    workload: Workload, arguments: Sequence[str], *, image: str | None, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The template of a pod that runs `tandem` with these arguments. `values` come on top, as the chart's are called.

    It may do nothing: no token of an account, no privileges, a read-only root. Raises `ConfigurationError` for values
    that are not known.
    """
    if unknown := sorted(set(values) - _VALUES):
        raise ConfigurationError(
            f"Unknown values: {', '.join(unknown)}.", hint=f"There are {', '.join(sorted(_VALUES))}."
        )
    spec: Object = at(workload.pod, "spec", default={})
    theirs = next(containers({"containers": spec.get("containers")}))
    labels = {**workload.labels, COMPONENT: COMPONENT_OF_JOBS, **_mapping(values, "podLabels")}
    annotations = _mapping(values, "podAnnotations")
    kept = {name: spec[name] for name in _KEPT_OF_THE_POD if spec.get(name)}
    return {
        "metadata": {"labels": labels, **({"annotations": annotations} if annotations else {})},
        "spec": {
            **kept,
            **{name: values[name] for name in _KEPT_OF_THE_POD if name in values},
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "serviceAccountName": spec.get("serviceAccountName", "default"),
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 60,
            "securityContext": _pod_rights(spec),
            "containers": [_container(theirs, arguments, image, values)],
            "volumes": [*_volumes(spec), *_list(values, "volumes")],
        },
    }


def _container(
    theirs: Object, arguments: Sequence[str], image: str | None, values: Mapping[str, Any]
) -> dict[str, Any]:
    env = [each for each in theirs.get("env") or () if not str(each["name"]).startswith(_NOT_ITS_BUSINESS)]
    mounts = [each for each in theirs.get("volumeMounts") or () if each["name"] not in _VOLUMES_OF_OTHERS]
    return {
        "name": "ingest",
        "image": image or theirs["image"],
        "imagePullPolicy": theirs.get("imagePullPolicy", "IfNotPresent"),
        # Kubernetes puts a variable's value in place of $(NAME): a place means what it says.
        "args": list(arguments),
        "env": [*env, {"name": "TANDEM_AUTH__MODE", "value": "none"}, *_list(values, "env")],
        "resources": values.get("resources", _RESOURCES),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [*mounts, *_list(values, "volumeMounts")],
        # The end of the log says why a shard failed, without anybody looking for it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _pod_rights(spec: Object) -> dict[str, Any]:
    theirs: Object = spec.get("securityContext") or {}
    return {**theirs, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def _volumes(spec: Object) -> list[Any]:
    """Configuration, and empty places for what is written: a release's own volumes stay with its own pods."""
    found = [each for each in spec.get("volumes") or () if each["name"] not in {*_VOLUMES_OF_OTHERS, "data"}]
    return [*found, {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}]


def _mapping(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name, {})
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"The value {name} is no mapping.")
    return dict(found)


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    found = values.get(name, [])
    if not isinstance(found, list):
        raise ConfigurationError(f"The value {name} is no list.")
    return list(found)
