"""Pods that are not even made: quotas, pod security, webhooks in the way."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.objects import at, component_of, condition, name_of

_FIXES = (
    (("exceeded quota",), "raise the namespace's ResourceQuota, or lower {component}.resources or its replicas"),
    (("PodSecurity",), "the namespace enforces a stricter level: drop what is named here from {component}'s values"),
    (("usage per", "LimitRange"), "keep {component}.resources within the namespace's LimitRange"),
    (("serviceaccount",), "create the ServiceAccount, or let the chart do so: serviceAccount.create"),
    (("PriorityClass",), "create the PriorityClass (manifests/cluster), or leave {component}.priorityClassName empty"),
    (("webhook",), "the webhook named here refuses or does not answer: look at its controller"),
)


def rollout(facts: Facts) -> Iterator[Finding]:
    """What the controllers of Deployments and StatefulSets were told when they wanted to make a pod."""
    for deployment in facts.of("Deployment"):
        failure = condition(deployment, "ReplicaFailure")
        if failure is not None and failure.get("status") == "True":
            yield _finding(
                f"deployment/{name_of(deployment)}", str(failure.get("message", "")), component_of(deployment)
            )
    for workload in facts.of("StatefulSet"):
        if at(workload, "status", "replicas", default=0) < at(workload, "spec", "replicas", default=1):
            events = facts.events("StatefulSet", name_of(workload))
            if events and events[-1].get("reason") == "FailedCreate":
                said = str(events[-1].get("message", ""))
                yield _finding(f"statefulset/{name_of(workload)}", said, component_of(workload))


def _finding(subject: str, message: str, component: str) -> Finding:
    said = " ".join(message.split())
    return Finding("pods-refused", subject, f"its pods are not made: {said}", _fix(said, component), component)


def _fix(said: str, component: str) -> str:
    fix = next((fix for signs, fix in _FIXES if any(sign in said for sign in signs)), "mend what the API server names")
    return fix.format(component=component or "its workload")
