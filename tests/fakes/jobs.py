"""Jobs as a test needs them."""

from typing import Any

from tandem.domain.job import Job
from tandem.domain.tenants import Priority

ASKED = b'{"model":"tandem","messages":[{"role":"user","content":"Who keeps the keys?"}]}'


def job(number: int, tenant: str = "acme", *, at: float, priority: Priority = Priority.normal, **more: Any) -> Job:
    """The `number`-th of its tenant, submitted at an instant (seconds since 1970)."""
    return Job(
        f"job-{tenant}-{priority.name}-{number:05}",
        more.pop("body", ASKED),
        at + number * 0.001,
        tenant,
        priority=priority,
        **more,
    )
