"""Who asks, under which id, and until when: what travels with a request through every part."""

from dataclasses import dataclass, field, replace
from typing import Literal

from tandem.domain.quota import Standing
from tandem.domain.span import SpanContext
from tandem.domain.viewer import Viewer

# Which way of serving asks.
Mode = Literal["online", "async", "batch", "stream"]
DEFAULT_TENANT = "default"


class Progress:
    """How far a request has come: `stage` is request, queue, retrieval or generation.

    `outcome` is what its record says of the answer; empty until it is over, and where nothing is recorded.
    """

    __slots__ = ("outcome", "stage")

    def __init__(self) -> None:
        self.stage = "request"
        self.outcome = ""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`deadline_s` is an instant of the process's monotonic clock (see `ports/clock.py`); None means no deadline.

    `groups` are the caller's, from its key or token: a document with an access list is seen by members of one of its groups
    only, by nobody else. `user` is the caller's name.
    `standing` is kept up to date with the tenant's quotas while the request runs; None where none of them counts.
    `progress` is kept by whoever takes the request a stage further. `answer_id` is the id under which the answer is
    recorded, its receipt; empty where nothing is answered.
    """

    request_id: str
    tenant: str = DEFAULT_TENANT
    deadline_s: float | None = None
    span: SpanContext | None = None
    standing: Standing | None = field(default=None, compare=False)
    progress: Progress = field(default_factory=Progress, compare=False)
    groups: tuple[str, ...] = ()
    user: str | None = None
    answer_id: str = ""
    mode: Mode = "online"

    @property
    def viewer(self) -> Viewer:
        """Whose eyes documents are looked at with."""
        return Viewer(self.tenant, self.groups)

    def within(self, step: str) -> "RequestContext":
        """The same on behalf of the request's span `step`: who is called with it is called by that one."""
        return self if self.span is None else replace(self, span=self.span.child(step))
