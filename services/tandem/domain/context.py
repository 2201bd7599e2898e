"""Who asks, under which id, and until when: what travels with a request through every part."""

from dataclasses import dataclass, field

from tandem.domain.quota import Standing

DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`deadline_s` is an instant of the process's monotonic clock (see `ports/clock.py`); None means no deadline.

    `standing` is kept up to date with the tenant's quotas while the request runs; None where none of them counts.
    """

    request_id: str
    tenant: str = DEFAULT_TENANT
    deadline_s: float | None = None
    traceparent: str | None = None
    standing: Standing | None = field(default=None, compare=False)
