import json
from typing import Any

import pytest

from tandem.domain.errors import Overloaded, RateLimited
from tandem.domain.span import SpanContext
from tandem.http.exchange import Exchange, open_exchange
from tandem.http.middleware.shedding import Shedding


async def asked(error: Overloaded | None, method: str = "POST", path: str = "/v1/chat/completions") -> list[Any]:
    """What was sent; `passed` when the application was reached."""
    sent: list[Any] = []
    seen: list[str] = []

    async def app(*_: Any) -> None:
        sent.append("passed")

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    def refusal(tenant: str) -> Overloaded | None:
        seen.append(tenant)
        return error

    scope = {"type": "http", "method": method, "path": path}
    open_exchange(scope, Exchange("id", path, 0.0, SpanContext("1" * 32, "2" * 16), tenant="acme"))
    await Shedding(app, refusal=refusal)(scope, receive, send)
    assert seen == (["acme"] if (method, path) == ("POST", "/v1/chat/completions") else [])
    return sent


@pytest.mark.parametrize(("wait_s", "told"), [(0.01, b"1"), (1.2, b"2"), (59.0, b"59")])
async def test_a_refusal_is_the_usual_error_without_the_body_being_read(wait_s: float, told: bytes) -> None:
    start, body = await asked(Overloaded("All is full.", retry_after_s=wait_s))
    assert start["status"] == 429
    headers = dict(start["headers"])
    assert headers[b"retry-after"] == told
    assert int(headers[b"content-length"]) == len(body["body"])
    assert json.loads(body["body"])["error"] == {
        "message": "All is full.",
        "type": "overloaded_error",
        "code": "overloaded",
        "param": None,
    }


async def test_each_kind_of_refusal_has_its_own_body() -> None:
    _, body = await asked(RateLimited("All is full."))
    assert json.loads(body["body"])["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/chat/completions"), ("POST", "/v1/retrieve")])
async def test_other_requests_pass(method: str, path: str) -> None:
    assert await asked(Overloaded("All is full."), method, path) == ["passed"]


async def test_a_question_passes_while_there_is_room() -> None:
    assert await asked(None) == ["passed"]
