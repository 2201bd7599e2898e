"""The one table from domain errors to statuses, and how errors look on the wire."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tandem.domain import errors
from tandem.domain.errors import TandemError
from tandem.http.reply import json_reply

CLIENT_GONE = 499


class ClientGone(Exception):
    """The client closed its connection before it had its answer."""


class _Face(NamedTuple):
    status: int
    type: str
    retry_after_s: float | None = None


_INVALID = "invalid_request_error"
# Looked up along the class's ancestry: the nearest entry counts.
_FACES: dict[type[TandemError], _Face] = {
    TandemError: _Face(500, "server_error"),
    errors.InvalidRequest: _Face(400, _INVALID),
    errors.UnknownModel: _Face(404, _INVALID),
    errors.UnknownCollection: _Face(404, _INVALID),
    errors.UnknownDocument: _Face(404, _INVALID),
    errors.UnknownPrompt: _Face(404, _INVALID),
    errors.UnknownReceipt: _Face(404, _INVALID),
    errors.UnknownJob: _Face(404, _INVALID),
    errors.UnknownFile: _Face(404, _INVALID),
    errors.UnknownBatch: _Face(404, _INVALID),
    errors.UnknownRelease: _Face(404, _INVALID),
    errors.IdempotencyConflict: _Face(409, _INVALID),
    errors.VersionConflict: _Face(409, _INVALID),
    errors.PromotionRefused: _Face(409, _INVALID),
    errors.ReleaseConflict: _Face(409, _INVALID),
    errors.PayloadTooLarge: _Face(413, _INVALID),
    errors.Unauthenticated: _Face(401, "authentication_error"),
    errors.PermissionDenied: _Face(403, "permission_error"),
    errors.ResidencyRefused: _Face(403, "permission_error"),
    errors.DocumentRejected: _Face(422, _INVALID),
    errors.Overloaded: _Face(429, "overloaded_error", 1.0),
    errors.RateLimited: _Face(429, "rate_limit_error", 1.0),
    errors.Preempted: _Face(503, "overloaded_error", 1.0),
    errors.DeadlineExceeded: _Face(504, "timeout_error"),
    errors.UpstreamUnavailable: _Face(503, "upstream_error", 2.0),
    errors.UpstreamFailed: _Face(502, "upstream_error"),
    errors.ShuttingDown: _Face(503, "server_error", 1.0),
    errors.StoreBusy: _Face(503, "storage_error", 5.0),
    errors.StoreFull: _Face(507, "storage_error"),
    errors.StoreMismatch: _Face(409, "storage_error"),
    errors.NotServed: _Face(501, "server_error"),
}
_ROUTING_CODES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large", 415: "unsupported_media_type"}


def status_of(error: TandemError) -> int:
    """The status this error is answered with."""
    return _face(error).status


def error_body(error: TandemError) -> dict[str, Any]:
    """`{"error": {"message", "type", "code", "param"}}`, with `hint`, `reason` and `stage` where the error has them."""
    if status_of(error) == 500:
        return _body("Something went wrong on our side.", "server_error", TandemError.code, None)
    more = {name: value for name in ("hint", "reason", "stage") if (value := getattr(error, name, None)) is not None}
    return _body(error.message, _face(error).type, error.code, error.param, **more)


def status_of_code(code: str) -> int:
    """The same where only the error's code was kept. What is not of the tree is an unforeseen fault of ours."""
    return _face_of(code).status


def body_of_code(code: str, message: str) -> dict[str, Any]:
    """What is left of `error_body` then."""
    face = _face_of(code)
    if face.status == 500:
        return error_body(internal_error())
    return _body(message, face.type, code, None)


def error_reply(error: TandemError) -> Response:
    """The whole answer, with `Retry-After` or `WWW-Authenticate` where they belong."""
    face = _face(error)
    headers = {}
    if face.retry_after_s is not None:
        wait_s = getattr(error, "retry_after_s", None) or face.retry_after_s
        headers["retry-after"] = str(max(1, math.ceil(wait_s)))
    if face.status == 401:
        headers["www-authenticate"] = "Bearer"
    return json_reply(error_body(error), face.status, headers)


def internal_error() -> TandemError:
    """What an unforeseen fault of ours is told as; the log knows more."""
    return TandemError("internal")


def misfit(faults: Iterable[Mapping[str, Any]]) -> errors.InvalidRequest:
    """What does not fit its schema: one fault of pydantic's, with the path to what is wrong."""
    # Where a value may take several shapes there is a fault for each; the deepest one is of the shape that was meant.
    found = max(faults, key=lambda one: len(_place(one["loc"])))
    if found["type"] == "json_invalid":
        return errors.InvalidRequest(f"The body is not valid JSON: {found.get('ctx', {}).get('error', '')}.")
    param = ".".join(_place(found["loc"])) or None
    if param is None:
        return errors.InvalidRequest(f"The body is not valid: {found['msg']}.")
    return errors.InvalidRequest(f"{param}: {found['msg']}.", param=param)


def invalid_reply(fault: RequestValidationError) -> Response:
    """A request that does not fit its schema. Its faults' paths begin with the part of the request they are in."""
    return error_reply(misfit({**found, "loc": found["loc"][1:]} for found in fault.errors()))


def routing_reply(fault: HTTPException, allowed: str | None) -> Response:
    """What routing or body reading refused: unknown route, wrong method, too much, too slow, not JSON."""
    status = fault.status_code
    if status == 504:
        return error_reply(errors.DeadlineExceeded("reading the body"))
    headers = dict(fault.headers or {})
    if status == 405 and allowed:
        headers = {"allow": allowed}
    message = {404: "There is nothing here.", 405: "This method is not allowed here."}.get(status, str(fault.detail))
    return json_reply(_body(message, _INVALID, _ROUTING_CODES.get(status, "invalid_request"), None), status, headers)


async def on_tandem_error(_: Request, error: Exception) -> Response:
    """Handler for the domain's errors."""
    known = cast(TandemError, error)
    if status_of(known) == 500:
        raise RuntimeError(known.message) from known
    return error_reply(known)


async def on_invalid(_: Request, error: Exception) -> Response:
    """Handler for requests that do not fit their schema."""
    return invalid_reply(cast(RequestValidationError, error))


async def on_client_gone(_: Request, __: Exception) -> Response:
    """Nobody reads this; the status is for metrics and log."""
    return Response(status_code=CLIENT_GONE)


GONE: Mapping[type[Exception], Any] = {ClientGone: on_client_gone, ClientDisconnect: on_client_gone}


def _face(error: TandemError) -> _Face:
    return next(_FACES[kind] for kind in type(error).__mro__ if kind in _FACES)


def _face_of(code: str) -> _Face:
    kind = next((kind for kind in _kinds(TandemError) if kind.code == code), TandemError)
    return next(_FACES[each] for each in kind.__mro__ if each in _FACES)


def _kinds(root: type[TandemError]) -> Iterator[type[TandemError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _body(message: str, type_: str, code: str, param: str | None, **more: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": type_, "code": code, "param": param, **more}}


def _place(loc: tuple[int | str, ...]) -> list[str]:
    return [str(part) for part in loc if not _is_union_branch(part)]


def _is_union_branch(part: object) -> bool:
    # pydantic names the branch of a union in the path: `str`, `list[…]`, a model's class. No field is called so.
    return isinstance(part, str) and (part in {"str", "constrained-str"} or part[:1].isupper() or "[" in part)
