"""What a head must be, and what it may take."""

import pytest

from tandem.app.files import connections_within
from tandem.http.edge.framing import Framing
from tandem.http.edge.refusals import LARGE_HEAD, MALFORMED, UNKNOWN_CODING, UNKNOWN_VERSION
from tandem.http.edge.requests import fault_of, origin_form

HOST = (b"host", b"here")


@pytest.mark.parametrize(
    ("version", "method", "headers", "fault"),
    [
        ("1.1", b"GET", [HOST], None),
        ("1.0", b"GET", [], None),
        ("1.1", b"POST", [HOST, (b"transfer-encoding", b" Chunked ")], None),
        ("1.1", b"GET", [], MALFORMED),
        ("1.1", b"GET", [HOST, HOST], MALFORMED),
        ("1.0", b"GET", [HOST, (b"host", b"there")], MALFORMED),
        ("1.0", b"POST", [HOST, (b"transfer-encoding", b"chunked")], MALFORMED),
        ("1.1", b"CONNECT", [HOST], MALFORMED),
        ("1.1", b"POST", [HOST, (b"transfer-encoding", b"gzip, chunked")], UNKNOWN_CODING),
        ("2.0", b"GET", [HOST], UNKNOWN_VERSION),
        ("0.9", b"GET", [], UNKNOWN_VERSION),
    ],
)
def test_a_head_that_can_be_read_in_one_way_only_is_served(
    version: str, method: bytes, headers: list[tuple[bytes, bytes]], fault: bytes | None
) -> None:
    assert fault_of(version, method, headers) is fault


@pytest.mark.parametrize(
    ("url", "path", "host"),
    [
        (b"/a?b=c", b"/a?b=c", None),
        (b"*", b"*", None),
        (b"//elsewhere/a", b"//elsewhere/a", None),
        (b"http://elsewhere", b"/", b"elsewhere"),
        (b"http://elsewhere:81/a?b=c", b"/a?b=c", b"elsewhere:81"),
        (b"http://[::1]:81/a", b"/a", b"[::1]:81"),
    ],
)
def test_an_absolute_url_is_taken_apart(url: bytes, path: bytes, host: bytes | None) -> None:
    assert origin_form(url) == (path, host)


def test_a_head_and_what_surrounds_a_body_are_bounded() -> None:
    framing = Framing(100)
    framing.begin()
    assert framing.fed(100) is None
    assert framing.fed(1) is LARGE_HEAD
    framing.begin()
    framing.in_head = False
    framing.body(50)
    assert framing.left_of(80) == 30
    assert framing.fed(600) is None
    assert framing.fed(1) is MALFORMED
    framing.in_message = False
    assert framing.fed(10_000) is None


def test_as_many_connections_as_open_files_leave_room_for() -> None:
    assert connections_within(20_000, 500) == 500
    assert connections_within(1_256, 5_000) == 500
    assert connections_within(1_256, None) == 500
    assert connections_within(1_000_000, None) == 10_000
    assert connections_within(-1, None) == 10_000
    assert connections_within(-1, 50_000) == 50_000
    assert connections_within(10, 5) == 1
