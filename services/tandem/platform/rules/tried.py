"""What pods of the workloads tried, and did not get through with."""

from collections.abc import Iterator

from tandem.platform.facts import Facts, Tried
from tandem.platform.findings import Finding, Severity

_HUB = {
    "gated": (
        "the model hub does not let this token read {target}, which is gated",
        "accept the model's terms with the account of the token, and name its Secret in predictor.tokenSecret",
    ),
    "no-token": (
        "{target} is gated or private, and no token was given",
        "accept its terms on the hub, then kubectl create secret generic hf --from-literal=HF_TOKEN=…, and name it in predictor.tokenSecret",
    ),
    "no-revision": (
        "the model hub has no such revision: {target}",
        "give a commit that exists in predictor.model.uri (hf://ORG/NAME:REVISION)",
    ),
    "absent": ("the model hub knows no {target}", "correct predictor.model.uri; private ones also look like this without a token"),
}  # fmt: skip


def tried(facts: Facts) -> Iterator[Finding]:
    """A path that times out is shut by a policy on one of its ends; one that is refused has nobody at its end, told elsewhere."""
    shut = {each.target for each in facts.tried if each.kind == "path" and each.outcome != "ok"}
    for each in facts.tried:
        # What a closed path leads to cannot answer.
        if each.outcome == "ok" or (each.kind in {"embedder", "vectors"} and each.target in shut):
            continue
        if each.kind == "pod":
            yield _pod(facts, each)
        elif each.kind == "image":
            yield _image(each)
        elif each.kind == "hub" and each.outcome in _HUB:
            problem, fix = _HUB[each.outcome]
            yield Finding(
                "model-unread", f"model/{each.target}", problem.format(target=each.target), fix, each.component
            )
        elif each.outcome == "name":
            yield _name(each)
        elif each.outcome in {"refused", "timeout"} and _nobody_there(facts, each):
            continue
        elif each.outcome == "timeout":
            yield _blocked(each)
        else:
            yield Finding(
                "path-failed",
                f"path/{each.component}",
                f"a pod of {each.component} asked {each.role or each.target} at {each.target} in vain: {each.said or each.outcome}",
                "check that it runs at this address, and that the URL in config is right",
                each.component,
            )


def _name(each: Tried) -> Finding:
    what = f"{each.role}, for {each.target}" if each.kind == "hub" else f"{each.target} ({each.role})"
    return Finding(
        "name-unknown",
        f"path/{each.component}",
        f"a pod of {each.component} cannot resolve {what}: {each.said}",
        "check the name, the cluster's DNS (k8s-app=kube-dns), and networkPolicy.dns in the values",
        each.component,
    )


def _blocked(each: Tried) -> Finding:
    workload = each.component if each.component in {"gateway", "retriever", "predictor"} else "worker"
    return Finding(
        "path-blocked",
        f"path/{each.component}",
        f"a pod of {each.component} gets no connection to {each.role or each.target} at {each.target}: a NetworkPolicy or firewall drops it",
        f"let it out (networkPolicy.extraEgress.{workload}), and in at the other end (kubectl get networkpolicies -A)",
        each.component,
    )


def _pod(facts: Facts, each: Tried) -> Finding:
    fixes = {
        "image": "check image.repository, tag and imagePullSecrets, and the node's way to the registry",
        "refused": "mend what the API server names, or leave out --probe",
    }
    severity = Severity.problem if each.outcome in fixes else Severity.note
    return Finding(
        "image-pull" if each.outcome == "image" else "probe-failed",
        f"probe/{each.component}",
        f"the pod that tries the paths of {each.component} did not run: {each.said}",
        fixes.get(each.outcome, f"kubectl get events -n {facts.namespace} tells more"),
        each.component,
        severity,
    )


def _image(each: Tried) -> Finding:
    problem, fix, severity = {
        "absent": (
            f"the registry {each.said} has no such image",
            "correct repository, tag or digest",
            Severity.problem,
        ),
        "denied": (
            f"the registry {each.said} gives it to nobody without credentials, and no Secret with them is named",
            "check the image's name, and name a Secret in imagePullSecrets, unless the nodes have credentials of their own",
            Severity.note,
        ),
    }.get(
        each.outcome,
        (f"the registry {each.said} cannot be asked from here", "the nodes may reach it all the same", Severity.note),
    )
    return Finding("image-unknown", f"image/{each.target}", problem, fix, each.component, severity)


def _nobody_there(facts: Facts, each: Tried) -> bool:
    return any(peer.url == each.target and peer.service and not peer.ready for peer in facts.peers)
