"""What could not be looked at, so that its silence is not taken for health."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity

_NEEDED = frozenset({"pods", "events"})


def rights(facts: Facts) -> Iterator[Finding]:
    """Without pods and events there is no diagnosis; without the rest it is only less exact."""
    for resource in sorted(_NEEDED & facts.unread.keys()):
        yield Finding(
            "no-rights",
            f"rights/{resource}",
            f"{resource} cannot be read: {' '.join(facts.unread[resource].split())}",
            f"ask for the right to list {resource} (kubectl auth can-i list {resource} -n {facts.namespace})",
        )
    if others := sorted(facts.unread.keys() - _NEEDED):
        yield Finding(
            "no-rights",
            "rights",
            f"some things cannot be read, so that faults there are missed: {', '.join(others)}",
            f"ask for the right to list them (kubectl auth can-i --list -n {facts.namespace})",
            severity=Severity.note,
        )
