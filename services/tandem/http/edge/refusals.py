"""Answers that the connection gives itself, before or instead of a request that the application could see."""

from http import HTTPStatus

import orjson

_STATUS_TYPES = {HTTPStatus.SERVICE_UNAVAILABLE: "overloaded_error"}


def refusal(status: HTTPStatus, code: str, message: str, *, retry_after_s: int | None = None) -> bytes:
    """A whole response, in the shape of every other error, after which the connection closes."""
    error = {
        "message": message,
        "type": _STATUS_TYPES.get(status, "invalid_request_error"),
        "code": code,
        "param": None,
    }
    body = orjson.dumps({"error": error})
    wait = "" if retry_after_s is None else f"retry-after: {retry_after_s}\r\n"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{wait}connection: close\r\n\r\n"
    )
    return head.encode() + body


MALFORMED = refusal(HTTPStatus.BAD_REQUEST, "malformed_request", "This is not a valid HTTP/1.1 request.")
LARGE_HEAD = refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The request's headers are too large."
)
SLOW_HEAD = refusal(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The request's headers did not come in time.")
UNKNOWN_CODING = refusal(
    HTTPStatus.NOT_IMPLEMENTED, "unsupported_transfer_coding", "The only transfer coding understood here is chunked."
)
UNKNOWN_VERSION = refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "unsupported_version", "Speak HTTP/1.1 or HTTP/1.0.")
FULL = refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "This process has as many connections as it takes.", retry_after_s=1
)
