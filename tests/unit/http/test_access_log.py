"""Which requests get a line, and what it holds."""

import logging
from collections import Counter

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.span import SpanContext
from tandem.http.access_log import AccessLog
from tandem.http.access_rule import AccessRule
from tandem.http.exchange import Exchange

SCOPE = {"type": "http", "method": "POST", "path": "/v1/retrieve"}
QUIET = frozenset({"/livez"})


def exchange(tenth: int = 0, route: str = "/v1/retrieve") -> Exchange:
    return Exchange("r-1", route, 0.0, SpanContext("0" * 16 + f"{(tenth << 64) // 10:016x}", "b7ad6b7169203331"))


class Lines:
    """An access log whose lines and gaps are counted."""

    def __init__(self, rule: AccessRule, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "tandem.access")
        self._caplog = caplog
        self.left_out: Counter[str] = Counter()
        self.clock = ScriptedClock()
        self._log = AccessLog(rule, self.clock, self._count, QUIET)

    def _count(self, reason: str) -> None:
        self.left_out[reason] += 1

    def over(self, status: int, told: Exchange | None = None) -> int:
        self._log.over(SCOPE, told or exchange(), status, 0.0125)
        return len(self._caplog.records)


def test_a_line_has_the_ids_to_find_the_request_by(caplog: pytest.LogCaptureFixture) -> None:
    told = exchange()
    told.tenant, told.caller, told.receipt = "acme", "alice", "rcpt-1"
    told.progress.outcome = "abstained"
    assert Lines(AccessRule(), caplog).over(200, told) == 1
    [line] = caplog.records
    assert line.getMessage() == "POST /v1/retrieve 200"
    ids = (line.request_id, line.trace_id, line.receipt, line.tenant, line.caller)  # type: ignore[attr-defined]
    assert ids == ("r-1", told.span.trace_id, "rcpt-1", "acme", "alice")
    ended = (line.route, line.status, line.outcome, line.duration_ms)  # type: ignore[attr-defined]
    assert ended == ("/v1/retrieve", 200, "abstained", 12.5)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (304, "ok"), (404, "refused"), (429, "refused"), (499, "client_closed"), (503, "failed")],
)
def test_without_a_record_the_status_tells_the_outcome(
    status: int, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    Lines(AccessRule(), caplog).over(status)
    assert caplog.records[0].outcome == outcome  # type: ignore[attr-defined]


def test_a_share_of_what_went_well_is_written_and_all_that_did_not(caplog: pytest.LogCaptureFixture) -> None:
    lines = Lines(AccessRule(share=0.3), caplog)
    for tenth in range(10):
        lines.over(200, exchange(tenth))
    assert len(caplog.records) == 3
    assert lines.left_out == {"share": 7}
    for status in (400, 429, 499, 500):
        lines.over(status, exchange(9))
    assert len(caplog.records) == 7


def test_so_many_lines_a_second_and_every_failure(caplog: pytest.LogCaptureFixture) -> None:
    lines = Lines(AccessRule(per_s=2), caplog)
    for _ in range(5):
        lines.over(429)
    assert len(caplog.records) == 2
    assert lines.left_out == {"rate": 3}
    assert lines.over(500) == 3
    lines.clock.advance(1)
    assert lines.over(200) == 4


def test_probes_are_told_at_debug_level_only(caplog: pytest.LogCaptureFixture) -> None:
    assert Lines(AccessRule(), caplog).over(200, exchange(route="/livez")) == 0
