"""Autoscaling that has nothing to go by."""

import re
from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.objects import INSTANCE, Object, at, component_of, condition, is_true, labels_of, name_of

_QUERY = re.compile(r'/api/v1/query\?[^"]*"')


def scaling(facts: Facts) -> Iterator[Finding]:
    """ScaledObjects first; of HPAs those that KEDA did not make for one of them."""
    for scaled in facts.of("ScaledObject"):
        if not is_true(scaled, "Ready"):
            yield from _scaled(facts, scaled)
        elif is_true(scaled, "Fallback"):
            yield _without_metrics(f"scaledobject/{name_of(scaled)}", "it runs on its fallback", component_of(scaled))
        else:
            yield from _behind(facts, scaled)
    for scaler in facts.of("HorizontalPodAutoscaler"):
        if labels_of(scaler).get(INSTANCE) == facts.release and not _of_keda(scaler):
            yield from _hpa(scaler, f"hpa/{name_of(scaler)}")


def _scaled(facts: Facts, scaled: Object) -> Iterator[Finding]:
    ready = condition(scaled, "Ready")
    if ready is None:
        return
    said = " ".join(str(ready.get("message") or ready.get("reason") or "").split())
    subject, component = f"scaledobject/{name_of(scaled)}", component_of(scaled)
    if "scaleTargetRef" in said or ("target" in said and "not found" in said):
        fix = "its Deployment is not there yet: see what is said of the workload"
        yield Finding("scaling-not-ready", subject, f"it is not ready: {said}", fix, component)
    else:
        yield _without_metrics(subject, f"it is not ready: {_reason(facts, scaled) or said}", component)


def _reason(facts: Facts, scaled: Object) -> str:
    """What the scaler was told; the condition only says that something does not work."""
    failed = [
        each for each in facts.events("ScaledObject", name_of(scaled)) if each.get("reason") == "KEDAScalerFailed"
    ]
    said = " ".join(str(failed[-1].get("message", "")).split()) if failed else ""
    # The query is long, and the same in the values.
    return _QUERY.sub('/…"', said.removeprefix("(combined from similar events): "))


def _behind(facts: Facts, scaled: Object) -> Iterator[Finding]:
    """The HPA that KEDA made; for as long as it sleeps at zero there is nothing to measure."""
    name = at(scaled, "status", "hpaName")
    if at(condition(scaled, "Active") or {}, "status") == "False" and at(scaled, "spec", "minReplicaCount") == 0:
        return
    for scaler in facts.of("HorizontalPodAutoscaler"):
        if name_of(scaler) == name:
            yield from _hpa(scaler, f"scaledobject/{name_of(scaled)}")


def _hpa(scaler: Object, subject: str) -> Iterator[Finding]:
    able, active = condition(scaler, "AbleToScale"), condition(scaler, "ScalingActive")
    if able is not None and able.get("status") == "False":
        said = " ".join(str(able.get("message", "")).split())
        fix = "check what it scales: kubectl get deployments,statefulsets"
        yield Finding("scaling-not-able", subject, f"it cannot scale: {said}", fix, component_of(scaler))
    elif active is not None and active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
        said = " ".join(str(active.get("message", "")).split())
        yield _without_metrics(subject, f"it has no metrics: {said}", component_of(scaler))


def _of_keda(scaler: Object) -> bool:
    owners = at(scaler, "metadata", "ownerReferences", default=())
    return any(owner.get("kind") == "ScaledObject" for owner in owners)


def _without_metrics(subject: str, problem: str, component: str) -> Finding:
    return Finding("scaling-no-metrics", subject, problem, _fix(problem), component)


def _fix(problem: str) -> str:
    low = problem.lower()
    if "resource metric" in low:
        return "install metrics-server, and give every container of the pods resources.requests"
    if "custom.metrics" in low or "pods metric" in low:
        return "install prometheus-adapter with a rule for this metric, or set autoscaling.type to keda"
    if "prometheus" in low or "dial tcp" in low or "no such host" in low or "connection refused" in low:
        return "check autoscaling's Prometheus address, and that KEDA may reach it"
    return (
        "does Prometheus scrape the pods? Check autoscaling's Prometheus address, monitoring.*, and KEDA's operator log"
    )
