"""Where the engine keeps what it downloads: a claim of the model's own in place of the one before it, as the chart does."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tandem.domain.model_version import ModelVersion
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.models.services import KIND
from tandem.platform.objects import Object, at, labels_of, name_of

_CACHE = "cache"
# An index, a lock and a half-written file besides.
_ROOM = 1.2
_SHARED = "ReadWriteMany"


def of_candidate(cluster: Cluster, service: Object, version: ModelVersion) -> list[dict[str, Any]]:
    """Those of the serving model; the cache is a volume that others can mount at the same time, or the node's disk."""
    claim = _claim_of(service)
    shared = claim is not None and _SHARED in at(_read(cluster, claim), "spec", "accessModes", default=())
    return [
        dict(each) if each.get("name") != _CACHE or shared else {"name": _CACHE, "emptyDir": _room(version)}
        for each in at(service, "spec", "predictor", "volumes", default=())
    ]


def claim_of_its_own(cluster: Cluster, service: Object, version: str, size: int | None) -> Mapping[str, Any] | None:
    """The claim that a promoted model is to have, as large as the one now or as it needs; None where there is none to go by."""
    before = _claim_of(service)
    found = {} if before is None else _read(cluster, before)
    spec: Object = at(found, "spec", default={})
    if not spec or _SHARED in at(spec, "accessModes", default=()):
        return None
    name = f"{name_of(service)}-model-cache-{sha256(version.encode()).hexdigest()[:8]}"
    asked = {"storage": _larger(str(at(spec, "resources", "requests", "storage", default="1Gi")), size)}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": dict(labels_of(found)), "ownerReferences": [owner(service)]},
        "spec": {
            **{key: spec[key] for key in ("accessModes", "storageClassName") if key in spec},
            "resources": {"requests": asked},
        },
    }


def with_claim(volumes: tuple[Mapping[str, Any], ...], claim: str) -> list[dict[str, Any]]:
    """The cache in that claim."""
    mounted = {"name": _CACHE, "persistentVolumeClaim": {"claimName": claim}}
    return [mounted if each.get("name") == _CACHE else dict(each) for each in volumes]


def owner(service: Object) -> dict[str, str]:
    """What is deleted with it."""
    return {**KIND, "name": name_of(service), "uid": str(at(service, "metadata", "uid"))}


def _claim_of(service: Object) -> str | None:
    for each in at(service, "spec", "predictor", "volumes", default=()):
        if each.get("name") == _CACHE:
            name: str | None = at(each, "persistentVolumeClaim", "claimName")
            return name
    return None


def _read(cluster: Cluster, claim: str) -> Object:
    try:
        return cluster.read(f"/api/v1/namespaces/{cluster.namespace}/persistentvolumeclaims/{claim}")
    except Refused:
        return {}


def _room(version: ModelVersion) -> dict[str, str]:
    size = version.weight_bytes
    return {} if size is None else {"sizeLimit": _gibibytes(size)}


def _gibibytes(size: int) -> str:
    return f"{int(size * _ROOM / 2**30) + 1}Gi"


def _larger(quantity: str, size: int | None) -> str:
    from kubernetes.utils.quantity import parse_quantity

    needed = "0" if size is None else _gibibytes(size)
    return max((quantity, needed), key=parse_quantity)
