"""Whether the APIs of third parties are there that the release is made of, and their controllers run."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity
from tandem.platform.objects import at
from tandem.platform.operators import OPERATORS, Operator, of_group

_OF = {"InferenceService": "serving.kserve.io", "ScaledObject": "keda.sh"}


def apis(facts: Facts) -> Iterator[Finding]:
    """What the release uses and the API server does not know."""
    needs = facts.installed.needs if facts.installed else {}
    absent = [api for api in sorted(needs) if "." in api.partition("/")[0] and api not in facts.apis]
    for group, apis_of_it in groupby(absent, lambda api: api.partition("/")[0]):
        yield _missing(group, {api: needs[api] for api in apis_of_it})
    if not facts.present():
        yield from _before_installing(facts)


def controllers(facts: Facts) -> Iterator[Finding]:
    """An API that is there without anybody who acts on it: objects of the release that nobody has looked at."""
    used = {api.partition("/")[0] for api in (facts.installed.needs if facts.installed else {})}
    used |= {group for kind, group in _OF.items() if facts.of(kind)}
    for operator in OPERATORS:
        if operator.group in used and facts.serves(operator.group) and _asleep(facts, operator):
            yield Finding(
                "controller-down",
                f"controller/{operator.name}",
                f"{operator.name} has no controller running, so nothing {operator.use}",
                f"look at it: kubectl get deployments -A -l '{operator.selector}'",
            )


def _asleep(facts: Facts, operator: Operator) -> bool:
    if facts.controllers.get(operator.name, 1) == 0:
        return True
    ours = [each for kind, group in _OF.items() if group == operator.group for each in facts.of(kind)]
    unseen = [each for each in ours if not at(each, "status", "conditions")]
    return bool(unseen) and facts.controllers.get(operator.name, 1) is None


def _missing(group: str, kinds: Mapping[str, frozenset[str]]) -> Finding:
    operator = of_group(group)
    who = operator.name if operator else "what serves it"
    named = ", ".join(f"{kind} ({api})" for api in kinds for kind in sorted(kinds[api]))
    return Finding(
        "api-missing",
        f"api/{group}",
        f"this release is made of objects that the cluster does not know: {named}",
        f"install {who} with its CRDs (manifests/platform), then run the same helm upgrade again",
    )


def _before_installing(facts: Facts) -> Iterator[Finding]:
    for operator in OPERATORS:
        if not facts.serves(operator.group):
            yield Finding(
                "api-missing",
                f"api/{operator.group}",
                f"{operator.name}, which {operator.use}, is not installed",
                "install it (manifests/platform), or switch off in the values what needs it",
                severity=Severity.note,
            )
