"""Whether the namespace's quotas have room for what is planned."""

from collections.abc import Iterator
from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.objects import Object, at, component_of, name_of
from tandem.platform.placement import asked, shown

_BARE = ("cpu", "memory", "ephemeral-storage")


def quotas(facts: Facts) -> Iterator[Finding]:
    """Before installing only: an upgrade gives back what it replaces."""
    if not facts.planned or facts.installed is None or facts.installed.revision:
        return
    wanted = _wanted(facts)
    for quota in facts.of("ResourceQuota"):
        # Of which pods a scope is, is decided when they are made.
        if at(quota, "spec", "scopes") or at(quota, "spec", "scopeSelector"):
            continue
        limits: Object = at(quota, "status", "hard", default=None) or at(quota, "spec", "hard", default={})
        for resource, hard in limits.items():
            yield from _of(facts, quota, resource, Decimal(parse_quantity(hard)), wanted)


def _of(facts: Facts, quota: Object, resource: str, hard: Decimal, wanted: dict[str, Decimal]) -> Iterator[Finding]:
    key = f"requests.{resource}" if resource in _BARE else resource
    subject = f"resourcequota/{name_of(quota)}"
    left = hard - Decimal(parse_quantity(at(quota, "status", "used", resource, default="0")))
    if wanted.get(key, Decimal(0)) > left:
        what = key.rpartition(".")[2]
        asks = f"this release asks for {resource}: {shown(what, wanted[key])}"
        fix = f"raise it (kubectl edit {subject} -n {facts.namespace}), or lower resources and replicas"
        yield Finding("quota", subject, f"{asks}, and the quota leaves {shown(what, max(left, Decimal(0)))}", fix)
    elif key.startswith("limits.") and not facts.of("LimitRange") and (without := _without(facts, key[7:])):
        fix = f"add a LimitRange with a default {key}, or set {without}.resources.limits.{key[7:]}"
        yield Finding("quota", subject, f"it refuses pods without {key}, and those of {without} have none", fix)


def _wanted(facts: Facts) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for workload in (*facts.of("Deployment"), *facts.of("StatefulSet")):
        replicas = Decimal(int(at(workload, "spec", "replicas", default=1)))
        pod = at(workload, "spec", "template", default={})
        each = {"pods": Decimal(1)} | {
            f"{what}.{resource}": amount
            for what in ("requests", "limits")
            for resource, amount in asked(pod, what).items()
        }
        for key, amount in each.items():
            total[key] = total.get(key, Decimal(0)) + replicas * amount
    claims = [each for each in facts.of("PersistentVolumeClaim") if not at(each, "status", "phase")]
    if claims:
        sizes = (at(each, "spec", "resources", "requests", "storage", default="0") for each in claims)
        total |= {
            "persistentvolumeclaims": Decimal(len(claims)),
            "requests.storage": sum(map(_amount, sizes), Decimal(0)),
        }
    return total


def _without(facts: Facts, resource: str) -> str:
    """The first workload with a container that sets no such limit."""
    for workload in (*facts.of("Deployment"), *facts.of("StatefulSet")):
        for container in at(workload, "spec", "template", "spec", "containers", default=()):
            if not at(container, "resources", "limits", resource):
                return component_of(workload)
    return ""


def _amount(text: str) -> Decimal:
    return Decimal(parse_quantity(text))
