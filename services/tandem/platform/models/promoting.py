"""The candidate's model becomes the serving one, and back: one write, which fails when somebody else was faster."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from tandem.domain.errors import ConfigurationError, InvalidRequest, PromotionRefused, VersionConflict
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.models.deploying import pod_annotations
from tandem.platform.models.engine import Told, told_now
from tandem.platform.models.kept import (
    KEPT,
    PREFIX,
    Deployed,
    Gate,
    Kept,
    annotations,
    candidate_version,
    described,
    gate_text,
    kept_of,
    volumes,
)
from tandem.platform.models.services import KIND, TRIES, Found, Written, find, meant, told, write
from tandem.platform.models.volumes import claim_of_its_own, with_claim
from tandem.platform.objects import Object, at, is_true, name_of

T = TypeVar("T")
_HELM = "put the model into predictor.model of your values, and run helm upgrade"


def promoted(found: Found, name: str, gate: Gate) -> Deployed:
    """The candidate, as it is to serve. Raises `InvalidRequest` without one, `PromotionRefused` when the gate holds it back."""
    if found.candidate is None:
        raise InvalidRequest("There is no candidate to promote.", hint=f"Deploy it first: tandem models deploy {name}.")
    entry = candidate_version(found.candidate)
    if entry.model != name:
        raise InvalidRequest(
            f"The candidate is {entry.name}, not {name}.",
            hint=f"tandem models deploy {name} puts this one in its place.",
        )
    if gate.refusals and gate.forced is None:
        raise PromotionRefused(
            f"The gate holds {entry.name} back: {'; '.join(gate.refusals)}.",
            hint="docs/registry.md tells how to measure it; --force REASON promotes it all the same, and is remembered.",
        )
    if not is_true(found.candidate, "Ready") and gate.forced is None:
        raise PromotionRefused(
            f"The candidate {entry.name} is not ready.",
            hint="tandem models deploy waits for it and says what it waits for.",
        )
    return replace(entry, gate=gate)


def promote(
    cluster: Cluster, found: Found, entry: Deployed, *, at_s: float, now: str, dry_run: bool, take_over: bool
) -> Written:
    """Raises `VersionConflict` when the serving one has changed since `found` was read. What serves already stays as it is."""
    serving = found.serving
    kept = kept_of(serving)
    current = kept.numbered(kept.current)
    if current is not None and _alike(current, entry):
        # A second time, after one that was broken off, must not become what a rollback goes back to.
        return Written(name_of(serving), "", serving)
    # A claim of its own where the model before it has one.
    claim = None if entry.told.storage_uri else claim_of_its_own(cluster, serving, entry.uri, entry.weight_bytes)
    entry = replace(entry, at=at_s, replaced=kept.current, volumes=_volumes(serving, entry, claim))
    wanted = serving_with(serving, entry, kept.with_new(entry, at_s), now)
    return _write(cluster, serving, wanted, entry.told, claim, dry_run=dry_run, take_over=take_over)


def rollback(
    cluster: Cluster, found: Found, *, at_s: float, now: str, dry_run: bool, take_over: bool
) -> tuple[Written, Deployed]:
    """Back to what the serving model replaced. Raises `InvalidRequest` where that is nothing, or forgotten."""
    kept = kept_of(found.serving)
    current = kept.numbered(kept.current)
    entry = None if current is None else kept.numbered(current.replaced)
    if entry is None:
        raise InvalidRequest(
            "There is nothing to go back to: no model was promoted here, or it is too long ago.",
            hint="tandem models list --release NAME shows what is remembered.",
        )
    wanted = serving_with(found.serving, entry, kept.switched(entry.number, at_s), now)
    return _write(cluster, found.serving, wanted, entry.told, dry_run=dry_run, take_over=take_over), entry


def serving_with(serving: Object, entry: Deployed, kept: Kept, now: str) -> dict[str, Any]:
    """What is ours of the serving one. Its `resourceVersion` is the lock: whoever reads first and writes second is refused."""
    notes = {**described(entry, now), KEPT: kept.text()}
    if entry.gate is not None:
        notes[f"{PREFIX}gate"] = gate_text(entry.gate)
    return {
        **KIND,
        "metadata": {
            "name": name_of(serving),
            "resourceVersion": at(serving, "metadata", "resourceVersion"),
            "annotations": notes,
        },
        "spec": {
            "predictor": {
                "annotations": pod_annotations(entry.model, entry.version) if entry.model else {},
                "model": entry.told.fields(),
                "volumes": list(entry.volumes),
            }
        },
    }


def _write(
    cluster: Cluster,
    serving: Object,
    wanted: dict[str, Any],
    meant: Told,
    claim: Mapping[str, Any] | None = None,
    *,
    dry_run: bool,
    take_over: bool,
) -> Written:
    """Tried first, so that what is refused leaves no claim behind: what another owner would leave beside our fields must not
    be served.
    """
    _make(cluster, claim, dry_run=True)
    tried = write(cluster, serving, wanted, dry_run=True, take_over=take_over)
    made = told_now(tried.stored)
    left = [name for name in made.env if name not in meant.env]
    left += ["storageUri"] if made.storage_uri and not meant.storage_uri else []
    if left:
        raise ConfigurationError(
            f"Helm's values set {', '.join(left)} of {name_of(serving)}, which this model must not have.",
            hint=f"This takes Helm: {_HELM}.",
        )
    if dry_run:
        return tried
    _make(cluster, claim, dry_run=False)
    return write(cluster, serving, wanted, dry_run=False, take_over=take_over)


def _alike(one: Deployed, other: Deployed) -> bool:
    return (one.model, one.version, one.told) == (other.model, other.version, other.told)


def _volumes(serving: Object, entry: Deployed, claim: Mapping[str, Any] | None) -> tuple[Any, ...]:
    if claim is None:
        return volumes(serving) if entry.told.storage_uri else entry.volumes
    return tuple(with_claim(volumes(serving), str(claim["metadata"]["name"])))


def _make(cluster: Cluster, claim: Mapping[str, Any] | None, *, dry_run: bool) -> None:
    if claim is None:
        return
    name = str(claim["metadata"]["name"])
    path = f"/api/v1/namespaces/{cluster.namespace}/persistentvolumeclaims/{name}"
    try:
        cluster.apply(path, claim, dry_run=dry_run)
    except Refused as refused:
        raise told(refused, f"persistentvolumeclaim/{name}", cluster) from refused


def locked(cluster: Cluster, release: str, found: Found, work: Callable[[Found], T]) -> T:
    """Work on what was `found` when it was decided, and again when only KServe has written since: a status is no promotion.

    Raises `VersionConflict` when it was somebody else.
    """
    for _ in range(TRIES):
        try:
            return work(found)
        except VersionConflict:
            again = find(cluster, release)
            if _meant(again) != _meant(found):
                raise
            found = again
    return work(found)


def _meant(found: Found) -> tuple[object, ...]:
    kept = annotations(found.serving).get(KEPT)
    return meant(found.serving), kept, None if found.candidate is None else meant(found.candidate)
