"""What the gateways themselves see of the servers they call."""

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity
from tandem.platform.objects import component_of, name_of

# Gauges that stand at 1 while all is well.
_GOOD = {
    "tandem_quota_store_up": (
        "the store of the quotas does not answer",
        "check config.quotas.store_url and its server",
    ),
    "tandem_auth_keys_file_good": ("the file of keys is broken, older keys count", "mend the Secret with the keys"),
    "tandem_auth_identity_provider_up": (
        "the identity provider's keys cannot be fetched",
        "check config.auth.jwt.jwks_url and networkPolicy egress",
    ),
}
_FAILURES = {
    "tandem_retrieval_failures_total": (
        "retrievals",
        "check config.vectors.url or config.retriever.url and its server",
    ),
    "tandem_generation_failures_total": ("generations", "check the predictor: its pods, its URL, the NetworkPolicies"),
}
_CODES = frozenset({"upstream_unavailable", "upstream_failed"})


def seen(facts: Facts) -> Iterator[Finding]:
    """By each gateway's own metrics: breakers that are open, stores that are lost, calls that failed."""
    for pod in facts.of("Pod"):
        said = facts.seen.get(name_of(pod))
        if said is None or not said.metrics:
            continue
        for family in text_string_to_metric_families(said.metrics):
            for sample in family.samples:
                yield from _of(f"pod/{name_of(pod)}", component_of(pod), sample)


def _of(subject: str, component: str, sample: Sample) -> Iterator[Finding]:
    if sample.name in _GOOD and sample.value == 0:
        problem, fix = _GOOD[sample.name]
        yield Finding("peer-lost", subject, problem, fix, component)
    elif sample.name == "tandem_pool_endpoints" and sample.labels.get("breaker") == "open" and sample.value > 0:
        pool = sample.labels.get("pool", "")
        yield Finding(
            "breaker-open",
            subject,
            f"{sample.value:.0f} of the servers of pool {pool!r} failed in a row and are not asked (breaker open)",
            "check that the pool's predictor is ready and that its URL and the NetworkPolicies are right",
            component,
        )
    elif sample.name in _FAILURES and sample.labels.get("code") in _CODES and sample.value > 0:
        what, fix = _FAILURES[sample.name]
        problem = f"{sample.value:.0f} {what} failed since it started ({sample.labels['code']})"
        yield Finding("calls-failed", subject, problem, fix, component, Severity.note)
