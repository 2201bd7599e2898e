"""An error answer back into the error that caused it: what comes out here is what went in there."""

from collections.abc import Iterator
from typing import Any

import orjson

from tandem.domain.errors import (
    DeadlineExceeded,
    DocumentRejected,
    InvalidRequest,
    Overloaded,
    TandemError,
    Unauthenticated,
    UpstreamFailed,
    UpstreamUnavailable,
)


def failure(status: int, body: bytes, retry_after: str | None) -> TandemError:
    """The error that an answer with this status and body stands for; `retry_after` is its header."""
    told = _told(body)
    if told is None:
        # Not our shape: something stands in between, such as a proxy that found no living peer.
        between: type[TandemError] = UpstreamUnavailable if status in {502, 503, 504} else UpstreamFailed
        return between(f"The retriever answered {status} without saying why.")
    code = str(told.get("code"))
    kind = _KINDS.get(code, InvalidRequest if 400 <= status < 500 else UpstreamFailed)
    return _error(kind, told, retry_after)


def _error(kind: type[TandemError], told: dict[str, Any], retry_after: str | None) -> TandemError:
    message, hint, stage = str(told.get("message", "")), told.get("hint"), told.get("stage")
    if kind is Unauthenticated:
        # Passed on as it is, it would tell the caller that the caller's own key is wrong.
        return UpstreamFailed(
            f"The retriever refuses the key it was given: {message}", hint="Check retriever.api_key, or --api-key."
        )
    if issubclass(kind, Overloaded):
        return kind(message, retry_after_s=_seconds(retry_after))
    if kind is DeadlineExceeded:
        return DeadlineExceeded(str(stage or "retrieval"))
    if kind is UpstreamUnavailable:
        return UpstreamUnavailable(message, hint=hint, stage=stage, retry_after_s=_seconds(retry_after))
    if kind is DocumentRejected:
        return DocumentRejected(message, reason=str(told.get("reason") or "unreadable"), hint=hint)
    error = kind(message, hint=hint, param=told.get("param"))
    if isinstance(error, UpstreamFailed):
        error.stage = stage
    return error


def _told(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _seconds(header: str | None) -> float:
    return float(header) if header is not None and header.isdecimal() else 1.0


def _tree(kind: type[TandemError]) -> Iterator[type[TandemError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _tree(child)


# The kind that brought a code in, not one derived from it elsewhere: which of those are loaded differs from process to
# process.
_KINDS = {kind.code: kind for kind in reversed(list(_tree(TandemError)))}
