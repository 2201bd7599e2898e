"""Whether what is planned finds a place: labels, taints, sizes, and what other pods have left of the nodes."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity
from tandem.platform.objects import Object, at, component_of, name_of
from tandem.platform.placement import allocatable, blocking_taints, matching, requested, shown
from tandem.platform.rules.scheduling import obstacle


def room(facts: Facts) -> Iterator[Finding]:
    """All pods of all workloads, one after the other, the predictor's at first: nothing else can use its nodes."""
    nodes = facts.of("Node")
    if not facts.planned or not nodes:
        return
    left = {name_of(node): dict(facts.around.used.get(name_of(node), {})) for node in nodes}
    severity = Severity.note if facts.around.grows or facts.serves("karpenter.sh") else Severity.problem
    for workload in sorted(_workloads(facts), key=lambda each: component_of(each) != "predictor"):
        component, replicas = component_of(workload), int(at(workload, "spec", "replicas", default=1))
        pod: Object = {**at(workload, "spec", "template", default={}), "kind": "Pod"}
        subject = f"workload/{name_of(workload)}"
        found = obstacle(pod, nodes)
        if found is not None:
            yield Finding("unschedulable", subject, f"no node would take it: {found[0]}", found[1], component, severity)
            continue
        placed, lacking = _placed(pod, nodes, left, replicas)
        if placed < replicas:
            yield Finding(
                "no-room",
                subject,
                f"{placed} of its {replicas} pods would fit: {lacking}",
                f"add nodes, or lower {component}.resources or the number of replicas",
                component,
                severity,
            )


def _workloads(facts: Facts) -> list[Object]:
    return [*facts.of("Deployment"), *facts.of("StatefulSet")]


def _placed(
    pod: Object, nodes: Sequence[Object], used: dict[str, dict[str, Decimal]], replicas: int
) -> tuple[int, str]:
    """How many find a place, which is taken then; and what the roomiest node lacks for the next."""
    wanted = {**requested(pod), "pods": Decimal(1)}
    able = [node for node in matching(pod, nodes) if not blocking_taints(pod, node)]

    def free(node: Object, resource: str) -> Decimal:
        return allocatable(node, resource) - used[name_of(node)].get(resource, Decimal(0))

    for number in range(replicas):
        node = next((each for each in able if all(free(each, what) >= amount for what, amount in wanted.items())), None)
        if node is None:
            # The one that lacks the fewest things says it shortest.
            lacks = min(
                ([what for what, amount in wanted.items() if free(each, what) < amount] for each in able), key=len
            )
            most = {what: max([Decimal(0), *(free(each, what) for each in able)]) for what in lacks}
            said = (
                f"{what}: {shown(what, wanted[what])} asked, at most {shown(what, most[what])} free" for what in lacks
            )
            return number, ", ".join(said)
        for what, amount in wanted.items():
            used[name_of(node)][what] = used[name_of(node)].get(what, Decimal(0)) + amount
    return replicas, ""
