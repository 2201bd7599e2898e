"""Volume claims that nobody has filled."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.objects import INSTANCE, Object, at, component_of, labels_of, name_of

_DEFAULT = "storageclass.kubernetes.io/is-default-class"


def volumes(facts: Facts) -> Iterator[Finding]:
    """Claims of this release, and claims that its pods name and that are not there."""
    claims = {name_of(claim): claim for claim in facts.of("PersistentVolumeClaim")}
    wanted = {claim: component_of(pod) for pod in facts.of("Pod") for claim in _named(pod)}
    for name, component in wanted.items():
        if facts.known("PersistentVolumeClaim") and name not in claims:
            fix = f"create it, or let the chart do so: leave {component or 'the workload'}'s existingClaim empty"
            yield Finding("claim-missing", f"pvc/{name}", f"there is no claim {name!r}", fix, component)
    for name, claim in claims.items():
        ours = name in wanted or labels_of(claim).get(INSTANCE) == facts.release
        if facts.planned and not at(claim, "status", "phase"):
            yield from _unbound(facts, claim, component_of(claim))
        elif ours and at(claim, "status", "phase") in {"Pending", "Lost"}:
            yield from _unbound(facts, claim, wanted.get(name) or component_of(claim))


def _named(pod: Object) -> Iterator[str]:
    for volume in at(pod, "spec", "volumes", default=()):
        claim = at(volume, "persistentVolumeClaim", "claimName")
        if claim:
            yield str(claim)


def _unbound(facts: Facts, claim: Object, component: str) -> Iterator[Finding]:
    name, wanted = name_of(claim), at(claim, "spec", "storageClassName")
    subject = f"pvc/{name}"
    if at(claim, "status", "phase") == "Lost":
        yield Finding(
            "claim-lost", subject, "its volume is gone", "restore the volume, or delete claim and pod", component
        )
        return
    classes = {name_of(each): each for each in facts.of("StorageClass")}
    waits = "pending: " if at(claim, "status", "phase") else ""
    # Volumes that were made by hand need no class, only its name.
    by_hand = {at(volume, "spec", "storageClassName") for volume in facts.of("PersistentVolume")}
    if wanted and facts.known("StorageClass") and wanted not in {*classes, *by_hand}:
        problem = f"{waits}there is no StorageClass {wanted!r}"
        fix = f"set the workload's storageClass to one of: {', '.join(sorted(classes)) or '(the cluster has none)'}"
        yield Finding("claim-pending", subject, problem, fix, component)
    elif wanted is None and facts.known("StorageClass") and not any(map(_is_default, classes.values())):
        problem = f"{waits}it names no StorageClass, and the cluster has no default one"
        fix = f"set the workload's storageClass to one of: {', '.join(sorted(classes)) or '(the cluster has none)'}"
        yield Finding("claim-pending", subject, problem, fix, component)
    else:
        yield from _said(facts, name, subject, component)


def _said(facts: Facts, name: str, subject: str, component: str) -> Iterator[Finding]:
    events = facts.events("PersistentVolumeClaim", name)
    if not events or events[-1].get("reason") == "WaitForFirstConsumer":
        # It waits for its pod, and the pod for something else, which is told there.
        return
    text = " ".join(str(events[-1].get("message", "")).split())
    fix = "look at the provisioner of its StorageClass, and at zones and quotas of the storage"
    yield Finding("claim-pending", subject, f"pending: {text}", fix, component)


def _is_default(storage_class: Object) -> bool:
    return str(at(storage_class, "metadata", "annotations", _DEFAULT)) == "true"
