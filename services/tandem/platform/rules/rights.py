"""What could not be looked at, so that its silence is not taken for health."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity

_NEEDED = frozenset({"pods", "events"})


def rights(facts: Facts) -> Iterator[Finding]:
    """Without pods and events there is no diagnosis; the rest only makes it less exact."""
    for resource in sorted(facts.unread):
        needed = resource in _NEEDED
        verb = "create" if resource == "pods/portforward" else "list"
        scope = "" if resource in {"nodes", "storageclasses"} else f" -n {facts.namespace}"
        yield Finding(
            "no-rights",
            f"rights/{resource}",
            f"{resource} cannot be read: {' '.join(facts.unread[resource].split())}",
            f"ask for the right to {verb} {resource} (kubectl auth can-i {verb} {resource}{scope})",
            severity=Severity.problem if needed else Severity.note,
        )
