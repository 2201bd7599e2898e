"""Errors in the API's documentation."""

from typing import Any

from pydantic import Field

from tandem.http.wire.text import Out


class ErrorDetail(Out):
    """What went wrong; `code` is stable, `message` is for people."""

    message: str
    type: str
    code: str
    param: str | None = Field(description="Path to the field at fault.")
    hint: str | None = Field(default=None, description="How to fix it.")
    reason: str | None = Field(default=None, description="Of document_rejected: a stable word such as encrypted.")
    stage: str | None = Field(
        default=None, description="Where the time ran out, or what needed the part that is away or failed."
    )


class ErrorBody(Out):
    """Every error's body, in the shape that OpenAI's clients know."""

    error: ErrorDetail


_MEANINGS = {
    400: "The request is not valid.",
    401: "No known API key was sent.",
    404: "There is no such thing.",
    405: "The method is not allowed; Allow names those that are.",
    409: "The collection was built with another recipe; or its version or a release may not be promoted, or no longer.",
    403: "A policy forbids it.",
    413: "The body is larger than the limit.",
    415: "The body is not declared as JSON.",
    422: "The document cannot be read; reason says why.",
    429: "No room now; try again after Retry-After seconds.",
    500: "A fault of ours.",
    501: "This deployment cannot do it; hint says what that takes.",
    502: "A part behind this one failed.",
    503: "A part behind this one is away; try again after Retry-After seconds.",
    504: "The request's time was over.",
    507: "No space is left.",
}
# Any request may meet these, before or behind its route.
_ALWAYS = (400, 401, 413, 500, 503, 504)
BEHIND = (429, 502, 503, 504)
"""What a route that calls a part which may be remote can answer."""


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented error responses of a route."""
    return {status: {"model": ErrorBody, "description": _MEANINGS[status]} for status in sorted({*_ALWAYS, *statuses})}
