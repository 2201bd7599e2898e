"""All rules over the facts of a cluster: causes first, consequences only where no cause is known."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from tandem.domain.errors import TandemError
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity
from tandem.platform.gathering import gather
from tandem.platform.rules.apis import apis, controllers
from tandem.platform.rules.crashes import crashes
from tandem.platform.rules.images import images
from tandem.platform.rules.peers import peers
from tandem.platform.rules.predictor import predictor
from tandem.platform.rules.readiness import readiness
from tandem.platform.rules.release import release
from tandem.platform.rules.rights import rights
from tandem.platform.rules.rollout import rollout
from tandem.platform.rules.scaling import scaling
from tandem.platform.rules.scheduling import scheduling
from tandem.platform.rules.secrets import secrets
from tandem.platform.rules.seen import seen
from tandem.platform.rules.volumes import volumes

Rule = Callable[[Facts], Iterable[Finding]]

# A cause is told wherever it is found.
CAUSES: tuple[Rule, ...] = (
    rights,
    release,
    apis,
    controllers,
    rollout,
    secrets,
    volumes,
    scheduling,
    images,
    crashes,
)
# What follows from a cause in the same workload is not told twice.
CONSEQUENCES: tuple[Rule, ...] = (readiness, predictor, peers, scaling, seen)


def diagnose(cluster: Cluster, release_name: str) -> list[Finding]:
    """What is wrong with the release; that the cluster cannot be read is a finding too."""
    try:
        return conclude(gather(cluster, release_name))
    except TandemError as error:
        return [Finding(f"cluster-{error.code}", "cluster", error.message, error.hint or "")]
    except Refused as refused:
        fix = "ask for the rights to read this cluster (kubectl auth can-i --list)"
        return [Finding("no-rights", "cluster", refused.message, fix)]


def conclude(facts: Facts) -> list[Finding]:
    """Problems before notes, each once."""
    found = [finding for rule in CAUSES for finding in rule(facts)]
    explained = {each.component for each in found if each.component and each.severity is Severity.problem}
    for rule in CONSEQUENCES:
        new = [finding for finding in rule(facts) if finding.component not in explained]
        found += new
        explained |= {each.component for each in new if each.component and each.severity is Severity.problem}
    return sorted(_merged(found), key=lambda each: each.severity is Severity.note)


def _merged(found: Iterable[Finding]) -> Iterable[Finding]:
    """What has one cause is told once, by the first that suffers it."""
    told: dict[tuple[str, str, str], Finding] = {}
    for each in found:
        what = (each.rule, each.problem, each.fix)
        first = told.setdefault(what, each)
        if each.subject not in {first.subject, *first.alike}:
            told[what] = replace(first, alike=(*first.alike, each.subject))
    return told.values()
