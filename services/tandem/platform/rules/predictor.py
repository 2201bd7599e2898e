"""A predictor that never gets ready, beyond what its pods tell."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.objects import Object, at, is_true, name_of

# In this order: KServe's Ready only repeats the others.
_CONDITIONS = ("PredictorReady", "IngressReady", "Ready")
_PATIENCE_S = 60


def predictor(facts: Facts) -> Iterator[Finding]:
    """By the InferenceService's conditions, the model's state, and whether KServe has looked at it at all."""
    for service in facts.of("InferenceService"):
        if is_true(service, "Ready") or _asleep(facts, service):
            continue
        problem, fix = _model(service) or _condition(service) or _unseen(facts, service) or ("", "")
        if problem:
            subject = f"inferenceservice/{name_of(service)}"
            yield Finding("predictor-not-ready", subject, problem, fix, "predictor")


def _asleep(facts: Facts, service: Object) -> bool:
    """Scaled to zero, and meant to be."""
    wanted = f"{name_of(service)}-predictor"
    deployments = [each for each in facts.of("Deployment") if name_of(each) == wanted]
    return any(at(each, "spec", "replicas", default=1) == 0 for each in deployments)


def _model(service: Object) -> tuple[str, str] | None:
    failure = at(service, "status", "modelStatus", "lastFailureInfo", default={})
    said = " ".join(str(failure.get("message") or failure.get("reason") or "").split())
    if not said:
        return None
    if failure.get("reason") in {"RuntimeNotRecognized", "NoSupportingRuntime", "RuntimeDisabled"}:
        return (
            f"no serving runtime fits: {said}",
            "set predictor.runtime to tgi, vllm or small, and let the chart make it",
        )
    return (
        f"the model does not load: {said}",
        "check predictor.model.uri and revision, predictor.tokenSecret, and egress",
    )


def _condition(service: Object) -> tuple[str, str] | None:
    for kind in _CONDITIONS:
        for each in at(service, "status", "conditions", default=()):
            said = " ".join(str(each.get("message") or each.get("reason") or "").split())
            if each.get("type") == kind and each.get("status") != "True" and said:
                return f"{kind} is {each.get('status')}: {said}", _fix(service, said)
    return None


def _unseen(facts: Facts, service: Object) -> tuple[str, str] | None:
    if at(service, "status", "conditions") or _age_s(facts, service) < _PATIENCE_S:
        return None
    return (
        "KServe has not looked at it",
        "is its controller running? kubectl get pods -A -l control-plane=kserve-controller-manager",
    )


def _age_s(facts: Facts, holder: Object) -> float:
    from tandem.platform.objects import instant

    made = instant(at(holder, "metadata", "creationTimestamp"))
    return (facts.now - made).total_seconds() if made else 0.0


def _fix(service: Object, said: str) -> str:
    if "MinimumReplicasUnavailable" in said or "minimum availability" in said:
        return "loading a model takes minutes; raise predictor.startupSeconds if its pod is restarted before the end"
    return f"kubectl describe inferenceservice {name_of(service)} tells the rest"
