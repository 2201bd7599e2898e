"""What became of the versions of models that were followed: kept in a ConfigMap, since a change of an InferenceService's own
annotations would replace its pods.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from tandem.domain.errors import ConfigurationError, VersionConflict
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.models.kept import Gate
from tandem.platform.models.services import told
from tandem.platform.models.volumes import owner
from tandem.platform.objects import Object, at, name_of

_KEY = "models.json"
_MOST = 100
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """A version that was followed. `begun`: it is being tried, for the `tries`th time; else how it ended `at` (epoch seconds).

    `questions` is the hash of the golden questions that it was measured by, `release` the one that it was tried in. `why` tells
    of a refusal.
    """

    model: str
    version: str
    state: Literal["begun", "passed", "refused"]
    at: float
    questions: str
    tries: int = 0
    gate: Gate | None = None
    release: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Followed:
    """Of all models of a release, oldest first; `revision` is the ConfigMap's, empty where there is none."""

    verdicts: tuple[Verdict, ...] = ()
    revision: str = ""

    def of(self, model: str, version: str) -> Verdict | None:
        """The one of that version."""
        return next((each for each in self.verdicts if (each.model, each.version) == (model, version)), None)

    def put(self, verdict: Verdict) -> "Followed":
        """It goes in place of an earlier one of that version."""
        others = [each for each in self.verdicts if (each.model, each.version) != (verdict.model, verdict.version)]
        return replace(self, verdicts=(*others, verdict)[-_MOST:])


_VERDICTS: TypeAdapter[tuple[Verdict, ...]] = TypeAdapter(tuple[Verdict, ...])


def followed(cluster: Cluster, serving: Object) -> Followed:
    """What is remembered beside that InferenceService. Raises `ConfigurationError` when it cannot be read."""
    name = _name(serving)
    try:
        found = cluster.read(_path(cluster, name))
    except Refused as refused:
        if refused.status == 404:
            return Followed()
        raise told(refused, f"configmap/{name}", cluster) from refused
    try:
        verdicts = _VERDICTS.validate_json(at(found, "data", _KEY, default="[]"))
    except ValidationError as error:
        raise ConfigurationError(
            f"{_KEY} in configmap/{name} cannot be read.",
            hint=f"kubectl delete configmap {name} forgets which versions were tried, and refused.",
        ) from error
    return Followed(verdicts, str(at(found, "metadata", "resourceVersion", default="")))


def remember(cluster: Cluster, serving: Object, change: Callable[[Followed], Followed]) -> Followed:
    """What `change` makes of the latest; again when somebody else was faster. Raises `VersionConflict` when that goes on."""
    for _ in range(_TRIES):
        wanted = change(followed(cluster, serving))
        try:
            cluster.apply(_path(cluster, _name(serving)), _map(serving, wanted))
        except Refused as refused:
            if refused.status == 409:
                continue
            raise told(refused, f"configmap/{_name(serving)}", cluster) from refused
        return wanted
    raise VersionConflict(f"configmap/{_name(serving)} is changed by others all the time.", hint="Try again.")


def _map(serving: Object, wanted: Followed) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": _name(serving), "ownerReferences": [owner(serving)]}
    if wanted.revision:
        metadata["resourceVersion"] = wanted.revision
    data = {_KEY: _VERDICTS.dump_json(wanted.verdicts, exclude_defaults=True).decode()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _name(serving: Object) -> str:
    return f"{name_of(serving)}-followed"


def _path(cluster: Cluster, name: str) -> str:
    return f"/api/v1/namespaces/{cluster.namespace}/configmaps/{name}"
