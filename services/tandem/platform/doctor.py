"""All rules over the facts of a cluster: causes first, consequences only where no cause is known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tandem.domain.errors import ConfigurationError, TandemError
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.facts import Facts, Tried
from tandem.platform.findings import Finding, Severity
from tandem.platform.gathering import foresee, gather
from tandem.platform.planned import Planned
from tandem.platform.rules.apis import apis, controllers
from tandem.platform.rules.crashes import crashes
from tandem.platform.rules.gpus import gpus
from tandem.platform.rules.images import images
from tandem.platform.rules.peers import peers
from tandem.platform.rules.predictor import predictor
from tandem.platform.rules.quotas import quotas
from tandem.platform.rules.readiness import readiness
from tandem.platform.rules.release import release
from tandem.platform.rules.rights import rights
from tandem.platform.rules.rollout import rollout
from tandem.platform.rules.room import room
from tandem.platform.rules.scaling import scaling
from tandem.platform.rules.scheduling import scheduling
from tandem.platform.rules.secrets import secrets
from tandem.platform.rules.seen import seen
from tandem.platform.rules.server import server
from tandem.platform.rules.tried import tried
from tandem.platform.rules.vectors import vectors
from tandem.platform.rules.volumes import volumes
from tandem.platform.rules.vram import vram

Rule = Callable[[Facts], Iterable[Finding]]

# A cause is told wherever it is found.
CAUSES: tuple[Rule, ...] = (
    rights,
    server,
    release,
    apis,
    controllers,
    rollout,
    secrets,
    volumes,
    scheduling,
    gpus,
    room,
    quotas,
    vram,
    images,
    tried,
    crashes,
    vectors,
)
# What follows from a cause in the same workload is not told twice.
CONSEQUENCES: tuple[Rule, ...] = (readiness, predictor, peers, scaling, seen)


@dataclass(frozen=True, slots=True)
class Look:
    """How to look. `here_s` is this machine's clock; `plan` says what a values file would make on a server of a version; `probe`
    tries things out in the cluster.
    """

    here_s: Callable[[], float]
    plan: Callable[[str], Planned] | None = None
    probe: Callable[[Cluster, Facts], tuple[Tried, ...]] | None = None


def diagnose(cluster: Cluster, release_name: str, look: Look) -> list[Finding]:
    """What is wrong with the release; that the cluster cannot be read is a finding too."""
    try:
        facts, planned = (
            (gather(cluster, release_name, look.here_s), None)
            if look.plan is None
            else foresee(cluster, release_name, look.here_s, look.plan)
        )
        # What the chart refuses, or nobody has rendered, has no pods whose paths could be tried.
        known = planned is None or (planned.whole and not planned.refused)
        if look.probe is not None and known:
            facts = replace(facts, tried=look.probe(cluster, facts))
        return conclude(facts, _of_values(planned, probing=look.probe is not None))
    except ConfigurationError:
        # A file or a chart that cannot be read says nothing about the cluster.
        raise
    except TandemError as error:
        return [Finding(f"cluster-{error.code}", "cluster", error.message, error.hint or "")]
    except Refused as refused:
        fix = "ask for the rights to read this cluster (kubectl auth can-i --list)"
        return [Finding("no-rights", "cluster", refused.message, fix)]


def _of_values(planned: Planned | None, *, probing: bool) -> list[Finding]:
    if planned is None:
        return []
    if planned.refused:
        problem = f"the chart does not take these values: {planned.refused}"
        return [Finding("values-refused", "values", problem, "change what is named here, then look again")]
    if planned.whole:
        return []
    untried = ", and nothing was tried" if probing else ""
    problem = f"there is no helm on PATH: only the values were looked at, not what the chart makes of them{untried}"
    fix = "install Helm 3, and pass --chart"
    return [Finding("no-helm", "values", problem, fix, severity=Severity.note)]


def conclude(facts: Facts, first: Iterable[Finding] = ()) -> list[Finding]:
    """Problems before notes, each once."""
    found = [*first, *(finding for rule in CAUSES for finding in rule(facts))]
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
