"""The InferenceServices of a release: the one that serves, and the candidate beside it; how they are written."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tandem.domain.errors import ConfigurationError, PermissionDenied, TandemError, VersionConflict
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.models.kept import CANDIDATE
from tandem.platform.objects import COMPONENT, INSTANCE, Object, at, labels_of, name_of

KIND = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
# KServe writes a status now and then: what was read is read again this often.
TRIES = 5
# The API server's own, and nothing that anybody asked for.
_NOT_SHOWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


@dataclass(frozen=True, slots=True)
class Found:
    """`candidate` is None where none is deployed."""

    serving: Object
    candidate: Object | None


@dataclass(frozen=True, slots=True)
class Written:
    """`diff` is what another look at the object would show; empty: nothing changes. `stored` is the object after it."""

    name: str
    diff: str
    stored: Object


def find(cluster: Cluster, release: str) -> Found:
    """Raises `ConfigurationError` where the release has no predictor of its own, or KServe is not there."""
    wanted = f"{INSTANCE}={release},{COMPONENT}=predictor"
    try:
        found = cluster.items(collection(cluster), labelSelector=wanted)
    except Refused as refused:
        if refused.status == 404:
            raise ConfigurationError(
                "This cluster does not know InferenceServices.", hint="Install KServe first: docs/install.md."
            ) from refused
        raise told(refused, "inferenceservices", cluster) from refused
    serving = [each for each in found if CANDIDATE not in labels_of(each)]
    if not serving:
        raise ConfigurationError(
            f"There is no predictor of the release {release} in the namespace {cluster.namespace}.",
            hint="Install the chart with predictor.enabled, or check --release and --namespace: helm list --all-namespaces.",
        )
    return Found(serving[0], next((each for each in found if CANDIDATE in labels_of(each)), None))


def collection(cluster: Cluster) -> str:
    """Path of all of a namespace."""
    return f"/apis/{KIND['apiVersion']}/namespaces/{cluster.namespace}/inferenceservices"


def write(
    cluster: Cluster, before: Object | None, wanted: Mapping[str, Any], *, dry_run: bool, take_over: bool = False
) -> Written:
    """Apply it, unless `dry_run`; either way the API server says what it makes of it.

    Raises `VersionConflict` when it has changed meanwhile, and `ConfigurationError` for fields that somebody else holds.
    """
    name = str(wanted["metadata"]["name"])
    path = f"{collection(cluster)}/{name}"
    try:
        after = cluster.apply(path, wanted, dry_run=dry_run, force=take_over)
    except Refused as refused:
        raise told(refused, f"inferenceservice/{name}", cluster) from refused
    return Written(name, _diff(name, before, after), after)


def told(refused: Refused, what: str, cluster: Cluster) -> TandemError:
    """As one of ours, with what to do."""
    if refused.status == 409 and "Apply failed with" in refused.message:
        return ConfigurationError(
            f"{what} has fields that somebody else holds: {_conflicts(refused.message)}.",
            hint="Pass --take-over to write them all the same: Helm writes them again when its values of them change. "
            "To keep it beyond that, put the model into predictor.model of your values.",
        )
    if refused.status == 409:
        return VersionConflict(
            f"{what} was changed by somebody else meanwhile.",
            hint="Look at it (tandem models list --release NAME), and try again.",
        )
    if refused.status == 403:
        return PermissionDenied(
            f"The cluster does not let you: {refused.message}",
            hint="docs/registry.md lists the rights that this needs.",
        )
    return ConfigurationError(
        f"{what} was refused: {refused.message}", hint=f"tandem doctor --namespace {cluster.namespace} may tell more."
    )


def _conflicts(message: str) -> str:
    """`conflicts with "helm" using …: .spec.predictor.model.env[name="MODEL_ID"].value …`, in one line."""
    return " ".join(message.partition(": ")[2].replace("\n- ", " ").split()) or message


def _diff(name: str, before: Object | None, after: Object) -> str:
    lines = difflib.unified_diff(
        [] if before is None else _lines(before), _lines(after), f"{name} (now)", f"{name} (then)", lineterm=""
    )
    return "\n".join(lines)


def _lines(shown: Object) -> list[str]:
    plain = {key: value for key, value in shown.items() if key != "status"}
    plain["metadata"] = {
        key: value for key, value in at(shown, "metadata", default={}).items() if key not in _NOT_SHOWN
    }
    return yaml.safe_dump(plain, sort_keys=True, allow_unicode=True, width=10_000).splitlines()


def meant(service: Object) -> tuple[object, object]:
    """What is another when somebody wants something else of it: a status is nothing that anybody wants."""
    return at(service, "metadata", "uid"), at(service, "metadata", "generation")


def remove(cluster: Cluster, service: Object) -> bool:
    """With everything that KServe has made of it. False: somebody has made another of it meanwhile, and that one stays."""
    path, seen = f"{collection(cluster)}/{name_of(service)}", service
    try:
        for _ in range(TRIES):
            if meant(seen) != meant(service):
                break
            try:
                cluster.delete(path, seen=seen)
            except Refused as refused:
                if refused.status != 409:
                    raise
                seen = cluster.read(path)
            else:
                return True
    except Refused as refused:
        if refused.status == 404:
            return True
        raise told(refused, f"inferenceservice/{name_of(service)}", cluster) from refused
    return False
