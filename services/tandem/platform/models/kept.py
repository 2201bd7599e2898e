"""What an InferenceService remembers of its models: which one serves, those before it, and what each was made from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tandem.domain.errors import ConfigurationError
from tandem.domain.model_version import UNTOLD, Ancestry, ModelVersion
from tandem.platform.cluster import MANAGER
from tandem.platform.models.engine import Told, told_now
from tandem.platform.objects import Object, at, instant

PREFIX = "tandem.dev/"
KEPT = f"{PREFIX}models"
CANDIDATE = f"{PREFIX}candidate"
# Annotations of an object may have 256 KiB together.
_MOST = 20
_MOST_SWITCHES = 100


@dataclass(frozen=True, slots=True)
class Gate:
    """What was held against a model at `at` (epoch seconds); no `refusals`: it passed. `forced` is why it serves all the same.

    `runs` are those of `tandem eval` that it was judged by.
    """

    at: float
    metric: str
    measure: float | None = None
    serving_measure: float | None = None
    runs: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    forced: str | None = None


@dataclass(frozen=True, slots=True)
class Deployed:
    """A model as it was deployed `at` (epoch seconds), and what its engine was told. Empty names: Helm installed it.

    `replaced` is the number of the one before it.
    """

    number: int
    told: Told
    at: float = 0.0
    model: str = ""
    version: str = ""
    source: str = ""
    uri: str = ""
    ancestry: Ancestry = UNTOLD
    gate: Gate | None = None
    replaced: int | None = None
    volumes: tuple[Mapping[str, Any], ...] = ()
    weight_bytes: int | None = None

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.model}@{self.version}" if self.model else "what Helm installed"


@dataclass(frozen=True, slots=True)
class Kept:
    """`switches` are instants and numbers: from then on that one served."""

    current: int = 0
    entries: tuple[Deployed, ...] = ()
    switches: tuple[tuple[float, int], ...] = ()

    def numbered(self, number: int | None) -> Deployed | None:
        """None for one that is not remembered any more."""
        return next((each for each in self.entries if each.number == number), None)

    def at(self, instant: float) -> Deployed | None:
        """Which one served then."""
        before = [number for when, number in self.switches if when <= instant]
        return self.numbered(before[-1]) if before else None

    def with_new(self, entry: Deployed, at: float) -> "Kept":
        """It serves now."""
        numbered = replace(entry, number=max((each.number for each in self.entries), default=-1) + 1)
        entries = (*self.entries, numbered)[-_MOST:]
        return replace(self, entries=entries).switched(numbered.number, at)

    def switched(self, number: int, at: float) -> "Kept":
        """That one serves now."""
        return replace(self, current=number, switches=(*self.switches, (at, number))[-_MOST_SWITCHES:])

    def text(self) -> str:
        """As it is stored."""
        return _KEPT.dump_json(self).decode()


_KEPT: TypeAdapter[Kept] = TypeAdapter(Kept)
_GATE: TypeAdapter[Gate] = TypeAdapter(Gate)


def kept_of(service: Object) -> Kept:
    """With what serves there now, also when somebody changed it by other means. Raises `ConfigurationError`."""
    text = annotations(service).get(KEPT)
    try:
        kept = Kept() if text is None else _KEPT.validate_json(text)
    except ValidationError as error:
        raise ConfigurationError(
            f"The annotation {KEPT} of {at(service, 'metadata', 'name')} cannot be read.",
            hint=f"kubectl annotate inferenceservice {at(service, 'metadata', 'name')} {KEPT}- forgets what was deployed before.",
        ) from error
    now, serving = told_now(service), kept.numbered(kept.current)
    if serving is not None and _same(serving.told, now):
        return kept
    replaced = None if serving is None else serving.number
    # Nothing before it is known: it served from the beginning.
    since = max(_changed_by_others(service), *(when for when, _ in kept.switches)) if kept.switches else 0.0
    return kept.with_new(Deployed(0, now, since, replaced=replaced, volumes=volumes(service)), since)


def _changed_by_others(service: Object) -> float:
    """When somebody but us last wrote the model, by the API server's own notes: at the latest then it was changed."""
    notes = (
        each
        for each in at(service, "metadata", "managedFields", default=())
        if each.get("manager") != MANAGER and at(each, "fieldsV1", "f:spec", "f:predictor", "f:model") is not None
    )
    return max((when.timestamp() for each in notes if (when := instant(each.get("time")))), default=0.0)


def _same(one: Told, other: Told) -> bool:
    return (dict(one.env), one.args, one.storage_uri) == (dict(other.env), other.args, other.storage_uri)


def annotations(service: Object) -> Mapping[str, str]:
    """Its annotations."""
    found: Mapping[str, str] = at(service, "metadata", "annotations", default={})
    return found


def volumes(service: Object) -> tuple[Mapping[str, Any], ...]:
    """Of its pods."""
    return tuple(at(service, "spec", "predictor", "volumes", default=()))


def described(version: ModelVersion | Deployed, deployed_at: str) -> dict[str, str]:
    """The annotations that tell a reader which model it is and what that was made from."""
    name = version.name if isinstance(version, ModelVersion) else version.model
    told = {
        "model": name,
        "model-version": version.version,
        "model-source": version.source,
        "model-uri": version.uri,
        "dataset": version.ancestry.dataset,
        "training-run": version.ancestry.training_run,
        "base-model": version.ancestry.base_model,
        "deployed-at": deployed_at,
        "weight-bytes": str(version.weight_bytes or ""),
    }
    return {f"{PREFIX}{key}": value for key, value in told.items() if value}


def gate_text(gate: Gate) -> str:
    """As one annotation."""
    return json.dumps({key: value for key, value in _GATE.dump_python(gate, mode="json").items() if value})


def candidate_version(service: Object) -> Deployed:
    """What a candidate's annotations say of it."""
    told = annotations(service)
    return Deployed(
        -1,
        told_now(service),
        model=told.get(f"{PREFIX}model", ""),
        version=told.get(f"{PREFIX}model-version", ""),
        source=told.get(f"{PREFIX}model-source", ""),
        uri=told.get(f"{PREFIX}model-uri", ""),
        ancestry=Ancestry(
            told.get(f"{PREFIX}dataset"), told.get(f"{PREFIX}training-run"), told.get(f"{PREFIX}base-model")
        ),
        volumes=volumes(service),
        weight_bytes=int(size) if (size := told.get(f"{PREFIX}weight-bytes", "")).isdecimal() else None,
    )
