"""Every error of the tree has a face, and none gives away what it must not."""

import inspect

import orjson
import pytest

from tandem.domain import errors
from tandem.domain.errors import TandemError
from tandem.http.errors import error_body, error_reply, status_of

EXPECTED = {
    errors.InvalidRequest: 400, errors.UnknownModel: 404, errors.UnknownCollection: 404, errors.UnknownDocument: 404,
    errors.UnknownReceipt: 404, errors.UnknownJob: 404, errors.UnknownFile: 404, errors.UnknownBatch: 404,
    errors.IdempotencyConflict: 409, errors.NotServed: 501, errors.UnknownRelease: 404, errors.ReleaseConflict: 409,
    errors.UnknownPrompt: 404, errors.ContextTooLong: 400, errors.PayloadTooLarge: 413, errors.UnsupportedContent: 400,
    errors.Unauthenticated: 401, errors.DocumentRejected: 422, errors.Overloaded: 429, errors.DeadlineExceeded: 504,
    errors.PermissionDenied: 403, errors.ResidencyRefused: 403, errors.RateLimited: 429,
    errors.UpstreamUnavailable: 503, errors.UpstreamFailed: 502, errors.ShuttingDown: 503, errors.Preempted: 503, errors.StoreBusy: 503,
    errors.StoreFull: 507,
    errors.StoreMismatch: 409, errors.VersionConflict: 409, errors.PromotionRefused: 409, errors.ConfigurationError: 500, TandemError: 500,
}  # fmt: skip


def made(kind: type[TandemError]) -> TandemError:
    if kind is errors.DocumentRejected:
        return errors.DocumentRejected("m", reason="damaged")
    return kind("m")


def test_the_whole_tree_is_expected() -> None:
    tree = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, TandemError)}
    assert tree == set(EXPECTED)


@pytest.mark.parametrize(("kind", "status"), EXPECTED.items())
def test_each_error_s_face(kind: type[TandemError], status: int) -> None:
    error = made(kind)
    reply = error_reply(error)
    assert status_of(error) == reply.status_code == status
    told = orjson.loads(reply.body)["error"]
    assert set(told) >= {"message", "type", "code", "param"}
    assert told["type"].endswith("_error")
    assert told["code"] == ("internal_error" if status == 500 else kind.code)
    assert ("retry-after" in reply.headers) is (status in {429, 503})


def test_faults_of_ours_tell_nothing() -> None:
    assert "secret" not in str(error_body(errors.ConfigurationError("secret path", hint="secret", param="secret")))


@pytest.mark.parametrize(("after_s", "header"), [(0.0, "1"), (0.2, "1"), (1.2, "2"), (30.0, "30")])
def test_retry_after_is_whole_seconds(after_s: float, header: str) -> None:
    assert error_reply(errors.Overloaded("m", retry_after_s=after_s)).headers["retry-after"] == header


def test_more_is_told_where_there_is_more() -> None:
    assert error_body(errors.DocumentRejected("m", reason="damaged", hint="h"))["error"]["reason"] == "damaged"
    assert error_body(errors.DeadlineExceeded("embedding"))["error"]["stage"] == "embedding"
    assert error_body(errors.InvalidRequest("m", hint="h", param="p"))["error"] == {
        "message": "m", "type": "invalid_request_error", "code": "invalid_request", "param": "p", "hint": "h",
    }  # fmt: skip
