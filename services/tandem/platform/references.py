"""Which Secrets the pods of a release cannot start without, and which keys of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tandem.platform.facts import Facts
from tandem.platform.objects import Object, at, component_of, containers


@dataclass(frozen=True, slots=True)
class Wanted:
    """`keys` that are named one by one, `components` that want them."""

    keys: frozenset[str]
    components: frozenset[str]


def secrets_wanted(facts: Facts) -> Mapping[str, Wanted]:
    """By the Secrets' names."""
    found: dict[str, Wanted] = {}
    for component, spec in pod_specs(facts):
        for name, keys in _of(spec):
            before = found.get(name, Wanted(frozenset(), frozenset()))
            found[name] = Wanted(before.keys | keys, before.components | {component})
    return found


def pod_specs(facts: Facts) -> Iterator[tuple[str, Object]]:
    """Component and specification, of the workloads' templates and of the pods there are."""
    for kind in ("Deployment", "StatefulSet"):
        for workload in facts.of(kind):
            yield component_of(workload), at(workload, "spec", "template", "spec", default={})
    for pod in facts.of("Pod"):
        yield component_of(pod), at(pod, "spec", default={})


def _of(spec: Object) -> Iterator[tuple[str, frozenset[str]]]:
    for container in containers(spec):
        for variable in container.get("env") or ():
            reference = at(variable, "valueFrom", "secretKeyRef", default={})
            yield from _required(reference, "name", [reference])
        for source in container.get("envFrom") or ():
            yield from _required(at(source, "secretRef", default={}), "name", [])
    for volume in spec.get("volumes") or ():
        mounted = at(volume, "secret", default={})
        yield from _required(mounted, "secretName", mounted.get("items") or [])
        for source in at(volume, "projected", "sources", default=()):
            projected = at(source, "secret", default={})
            yield from _required(projected, "name", projected.get("items") or [])


def _required(reference: Object, name: str, items: list[Object]) -> Iterator[tuple[str, frozenset[str]]]:
    if reference.get(name) and not reference.get("optional"):
        yield str(reference[name]), frozenset(str(item["key"]) for item in items if item.get("key"))
