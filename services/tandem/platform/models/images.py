"""A model that is an image: what KServe and the cluster need to give it to an engine, known before anything is written."""

import json
import re

from tandem.domain.errors import ConfigurationError
from tandem.domain.model_version import ModelVersion
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.models.engine import engine_of
from tandem.platform.objects import Object, at, labels_of

_CAR, _NATIVE = "oci://", "oci+native://"
_ENFORCED = "pod-security.kubernetes.io/enforce"
# Where KServe's own chart puts it.
_SETTINGS = "/api/v1/namespaces/kserve/configmaps/inferenceservice-config"
# Image volumes: behind a feature gate, and then for everybody.
_GATED, _OPEN = 33, 35


def mounts_image(uri: str) -> bool:
    """Whether a node pulls it as an image."""
    return uri.startswith((_CAR, _NATIVE))


def check_image(cluster: Cluster, service: Object, version: ModelVersion) -> list[str]:
    """What could not be checked. Raises `ConfigurationError` for what cannot work."""
    mode = _mode(cluster)
    if mode == "off":
        raise ConfigurationError(
            "KServe mounts no images here.",
            hint="Set enableModelcar to true under storageInitializer of its ConfigMap inferenceservice-config (Helm: kserve.storage.enableModelcar).",
        )
    if version.uri.startswith(_NATIVE) or mode == "native":
        unchecked = _volumes(cluster)
    else:
        # Its initializer copies the files where it is told to fetch: that is no container beside the engine.
        unchecked = [] if mode == "fetch" else _sidecar(cluster, service, version)
    if not mode:
        unchecked.append("whether KServe mounts images, since its ConfigMap inferenceservice-config may not be read")
    if version.gated and not at(service, "spec", "predictor", "imagePullSecrets"):
        unchecked.append(
            "whether the nodes may pull the image, which wants a login and the predictor has no imagePullSecrets"
        )
    return unchecked


def _mode(cluster: Cluster) -> str:
    """`modelcar`, `native`, `fetch` or `off`, as KServe's settings have it; empty where they may not be read."""
    try:
        found = cluster.read(_SETTINGS)
        told = json.loads(at(found, "data", "storageInitializer", default="{}"))
    except (Refused, ValueError):
        return ""
    on = told.get("enableModelcar") or told.get("enableOciModelSupport")
    return str(told.get("ociModelMode") or ("modelcar" if on else "off"))


def _sidecar(cluster: Cluster, service: Object, version: ModelVersion) -> list[str]:
    """A modelcar is a container beside the engine, which runs as the same user, and sees its files through /proc."""
    hint = f"Set models.{version.name}.source to {_NATIVE}…, which is a volume: Kubernetes 1.{_OPEN}, or 1.{_GATED} with its feature gate ImageVolume."
    if engine_of(service) == "tgi":
        raise ConfigurationError(
            f"KServe's modelcar runs the engine as a user that TGI's image cannot be: {version.name} cannot be served from {version.uri}.",
            hint=hint,
        )
    try:
        namespace = cluster.read(f"/api/v1/namespaces/{cluster.namespace}")
    except Refused:
        return ["whether its pod security lets KServe's modelcar run, since the namespace may not be read"]
    if labels_of(namespace).get(_ENFORCED) == "restricted":
        raise ConfigurationError(
            f"The namespace {cluster.namespace} enforces restricted pod security, under which KServe's modelcar does not run.",
            hint=hint,
        )
    return []


def _volumes(cluster: Cluster) -> list[str]:
    version = cluster.server().version
    found = re.match(r"v?1\.(\d+)", version)
    minor = int(found[1]) if found else _OPEN
    if minor < _GATED:
        raise ConfigurationError(
            f"The cluster is {version}, which has no volumes of images that KServe can use.",
            hint=f"Upgrade it to 1.{_OPEN}, or serve the model from elsewhere: models.NAME.served_from.",
        )
    return (
        [f"whether the feature gate ImageVolume is on, which {version} needs: without it the engine finds nothing"]
        if minor < _OPEN
        else []
    )
