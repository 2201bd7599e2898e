"""A model as a candidate: an InferenceService beside the serving one, like it in everything but the model."""

import copy
from typing import Any

from tandem.domain.errors import ConfigurationError
from tandem.domain.model_version import ModelVersion
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.models.engine import environment, told_now, told_of
from tandem.platform.models.fit import check_fit
from tandem.platform.models.images import check_image, mounts_image
from tandem.platform.models.kept import CANDIDATE, PREFIX, annotations, described
from tandem.platform.models.services import KIND, Found, Written, write
from tandem.platform.models.volumes import of_candidate, owner
from tandem.platform.objects import Object, at, labels_of, name_of

_KSERVE = "serving.kserve.io/"
_HUB = "hf://"
_SCALER = f"{_KSERVE}autoscalerClass"


def check(cluster: Cluster, found: Found, version: ModelVersion) -> str:
    """What could not be checked before anything is written; empty: everything was. Raises `ConfigurationError`."""
    if not version.uri:
        raise ConfigurationError(
            f"{version.name} cannot be served from {version.source}: {version.unserved}.",
            hint=f"Set models.{version.name}.served_from.",
        )
    unchecked = check_image(cluster, found.serving, version) if mounts_image(version.uri) else []
    if version.gated and _HUB in version.uri and not _has_token(found.serving):
        raise ConfigurationError(
            f"{version.name} is gated or private, and the predictor has no token of the hub.",
            hint="kubectl create secret generic hf --from-literal=HF_TOKEN=…, then install the chart with predictor.tokenSecret.name=hf.",
        )
    unfit = check_fit(found.serving, version, _nodes(cluster))
    return "; ".join([f"whether it fits, since {unfit}", *unchecked] if unfit else unchecked)


def deploy(
    cluster: Cluster, found: Found, version: ModelVersion, *, quantization: str, file: str, now: str, dry_run: bool,
    take_over: bool = False,
) -> Written:  # fmt: skip
    """Write the candidate. Raises `ConfigurationError` for a format that the engine does not read, and what `write` does."""
    since = _since(found.candidate, version) or now
    wanted = candidate(cluster, found.serving, version, quantization=quantization, file=file, now=since)
    return write(cluster, found.candidate, wanted, dry_run=dry_run, take_over=take_over)


def candidate(
    cluster: Cluster, serving: Object, version: ModelVersion, *, quantization: str, file: str, now: str
) -> dict[str, Any]:
    """As it is applied: a fixed replica, owned by the serving one, so that it goes with the release."""
    spec = copy.deepcopy(dict(at(serving, "spec", "predictor", default={})))
    told, before = told_of(serving, version, quantization, file), told_now(serving)
    model = dict(spec["model"])
    kept = [each for each in model.get("env", ()) if each["name"] not in {*told.env, *before.env}]
    model |= told.fields() | {"env": [*kept, *told.fields()["env"]]}
    if told.storage_uri is None:
        model.pop("storageUri", None)
    spec |= {"model": model, "volumes": of_candidate(cluster, serving, version), "minReplicas": 1}
    spec.pop("maxReplicas", None)
    spec["annotations"] = {**at(spec, "annotations", default={}), **pod_annotations(version.name, version.version)}
    labels = {**labels_of(serving), CANDIDATE: "true", "app.kubernetes.io/managed-by": "tandem"}
    kserve = {
        key: value
        for key, value in at(serving, "metadata", "annotations", default={}).items()
        if key.startswith(_KSERVE)
    }
    return {
        **KIND,
        "metadata": {
            "name": f"{name_of(serving)}-candidate",
            "labels": labels,
            "annotations": {**kserve, _SCALER: "none", **described(version, now)},
            "ownerReferences": [owner(serving)],
        },
        "spec": {"predictor": spec},
    }


def pod_annotations(model: str, version: str) -> dict[str, str]:
    """Other weights behind the same address are other pods."""
    return {f"{PREFIX}model": model, f"{PREFIX}model-version": version}


def _since(candidate: Object | None, version: ModelVersion) -> str | None:
    """When this very version was deployed: KServe hands annotations on to the pods, and another time would be other pods."""
    told = {} if candidate is None else annotations(candidate)
    same = told.get(f"{PREFIX}model") == version.name and told.get(f"{PREFIX}model-version") == version.version
    return told.get(f"{PREFIX}deployed-at") if same else None


def _has_token(serving: Object) -> bool:
    return "HF_TOKEN" in environment(serving)


def _nodes(cluster: Cluster) -> tuple[Object, ...]:
    """None where they may not be read: then their labels cannot be asked."""
    try:
        return cluster.items("/api/v1/nodes")
    except Refused:
        return ()
