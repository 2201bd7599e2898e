from collections.abc import AsyncIterator

import pytest

from tandem.domain.errors import TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.generation.refusals import by_status, check_stream, overloaded
from tandem.ports.wire import Answer


def answer(status: int, wait_s: float | None = None) -> Answer:
    return Answer(status, "text/plain", b"", wait_s)


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (401, UpstreamFailed, "api_key"),
        (403, UpstreamFailed, "api_key"),
        (404, UpstreamFailed, "url"),
        (405, UpstreamFailed, "url"),
        (301, UpstreamFailed, "redirects"),
        (500, UpstreamFailed, None),
        (418, UpstreamFailed, None),
        (408, UpstreamUnavailable, None),
        (502, UpstreamUnavailable, None),
        (503, UpstreamUnavailable, None),
        (504, UpstreamUnavailable, None),
    ],
)
def test_a_status_alone(status: int, kind: type[TandemError], hint: str | None) -> None:
    error = by_status(answer(status), "")
    assert type(error) is kind
    assert str(status) in error.message
    assert (hint or "") in (error.hint or "")


def test_the_wait_that_is_asked_for_travels_on() -> None:
    away = by_status(answer(503, 4.0), "draining")
    assert isinstance(away, UpstreamUnavailable)
    assert away.retry_after_s == 4
    assert overloaded("full", answer(429, 0.0)).retry_after_s == 0
    assert overloaded("full", answer(429)).retry_after_s == 1


class Head:
    status = 200
    first = True

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def pieces(self) -> AsyncIterator[bytes]:
        raise AssertionError("a head is told by its status and type alone")

    async def whole(self) -> Answer:
        raise AssertionError("a head is told by its status and type alone")


def test_a_page_is_no_stream() -> None:
    for content_type in ("text/html", "application/json"):
        with pytest.raises(UpstreamFailed, match=content_type):
            check_stream(Head(content_type))
    for content_type in ("text/event-stream", "application/octet-stream", ""):
        check_stream(Head(content_type))
