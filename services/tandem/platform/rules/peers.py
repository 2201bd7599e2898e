"""Servers that the release calls and that cannot answer."""

from collections.abc import Iterator

from tandem.platform.facts import Facts, Peer, Presence
from tandem.platform.findings import Finding, Severity
from tandem.platform.objects import at, name_of

_OWN = frozenset({"predictor", "retriever"})


def peers(facts: Facts) -> Iterator[Finding]:
    """By the Service behind each URL: whether it is there and leads to a pod that is ready."""
    for peer in facts.peers:
        component = next((own for own in _OWN if peer.role == f"the {own}"), "")
        subject = f"service/{peer.service}"
        if peer.presence is Presence.missing:
            yield Finding(
                "peer-missing",
                subject,
                f"{peer.role} is called at {peer.url}, and namespace {peer.namespace!r} has no Service {peer.service!r}",
                _fix(peer, facts.namespace),
                component,
            )
        elif peer.presence is Presence.present and peer.ready == 0:
            if _asleep(facts, peer):
                yield _note(subject, f"{peer.role} sleeps (0 replicas) and wakes with the next request", component)
                continue
            yield Finding(
                "peer-unreachable",
                subject,
                f"{peer.role} is called at {peer.url}, and no pod behind this Service is ready",
                f"see its pods: kubectl get pods -n {peer.namespace}",
                component,
            )


def _fix(peer: Peer, home: str) -> str:
    if peer.role == "Qdrant":
        return "install Qdrant (manifests/platform), or correct config.vectors.url"
    if peer.service.endswith("-predictor") and peer.namespace == home:
        return f"KServe makes it from an InferenceService: kubectl get inferenceservices -n {home}; or correct the URL"
    if peer.role == "the retriever":
        return "set retriever.enabled, or correct config.retriever.url"
    return "correct the URL in config or predictor.external.url, or enable the predictor"


def _asleep(facts: Facts, peer: Peer) -> bool:
    deployments = [each for each in facts.of("Deployment") if name_of(each) == peer.service]
    return any(at(each, "spec", "replicas", default=1) == 0 for each in deployments)


def _note(subject: str, problem: str, component: str) -> Finding:
    return Finding("asleep", subject, problem, "nothing to do", component, Severity.note)
