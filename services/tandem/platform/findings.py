"""What a diagnosis found: one line about what is wrong, one about what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """problem: something does not work; note: worth knowing, and no reason to fail."""

    problem = "problem"
    note = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a stable word for programs, `subject` the object as kubectl names it, `component` the workload, if any.

    `alike` are other objects that suffer the same.
    """

    rule: str
    subject: str
    problem: str
    fix: str
    component: str = ""
    severity: Severity = Severity.problem
    alike: tuple[str, ...] = ()
