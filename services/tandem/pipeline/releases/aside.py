"""Requests of nobody's: a release is asked behind everybody else, with the same eyes."""

from dataclasses import replace
from uuid import uuid4

from tandem.domain.context import Progress, RequestContext


def aside(context: RequestContext, kind: str, deadline_s: float | None) -> RequestContext:
    """It has no receipt, takes no quota, and how far it has come is told to nobody."""
    return replace(
        context,
        request_id=f"{kind}-{uuid4().hex}",
        answer_id="",
        deadline_s=deadline_s,
        span=None,
        standing=None,
        progress=Progress(),
        mode="async",
    )
