from datetime import UTC, datetime

import pytest

from tandem.retrieval.reading.periods import age_at, period_at

# A Saturday.
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def read(text: str) -> tuple[str, str, str] | None:
    found = period_at(text, 0, NOW)
    if found is None:
        return None
    start, end = (datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d") for moment in (found.start_s, found.end_s))
    return start, end, text[found.stop :]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", "2024-01-01", "2025-01-01"),
        ("the year 2024", "2024-01-01", "2025-01-01"),
        ("2024-03", "2024-03-01", "2024-04-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2024/12/31", "2024-12-31", "2025-01-01"),
        ("March 2024", "2024-03-01", "2024-04-01"),
        ("Dec. 2024", "2024-12-01", "2025-01-01"),
        ("March", "2026-03-01", "2026-04-01"),
        ("December", "2025-12-01", "2026-01-01"),
        ("last March", "2026-03-01", "2026-04-01"),
        ("5 March 2024", "2024-03-05", "2024-03-06"),
        ("the 5th of March", "2026-03-05", "2026-03-06"),
        ("March 5th, 2024", "2024-03-05", "2024-03-06"),
        ("December 24", "2025-12-24", "2025-12-25"),
        ("Q4 2025", "2025-10-01", "2026-01-01"),
        ("Q3", "2026-07-01", "2026-10-01"),
        ("today", "2026-11-21", "2026-11-22"),
        ("yesterday", "2026-11-20", "2026-11-21"),
        ("Monday", "2026-11-16", "2026-11-17"),
        ("last Saturday", "2026-11-14", "2026-11-15"),
        ("this week", "2026-11-16", "2026-11-23"),
        ("last week", "2026-11-09", "2026-11-16"),
        ("the previous month", "2026-10-01", "2026-11-01"),
        ("last quarter", "2026-07-01", "2026-10-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("the last 10 days", "2026-11-11", "2026-11-21"),
        ("the past two weeks", "2026-11-07", "2026-11-21"),
        ("a couple of days ago", "2026-11-19", "2026-11-20"),
        ("3 months ago", "2026-08-01", "2026-09-01"),
    ],
)
def test_spans_of_time(text: str, start: str, end: str) -> None:
    assert read(f"{text} of fees") == (start, end, " of fees")


@pytest.mark.parametrize(
    "text",
    ["1905", "2031", "2024-13", "31 June", "32 March", "20245", "fees", "maybe", "seconds ago", "9999 days ago", ""],
)
def test_what_is_none(text: str) -> None:
    found = read(text)
    # A month that begins a wrong date may still be one.
    assert found is None or text == "2024-13"


def test_a_quarter_that_has_not_begun_is_last_years() -> None:
    found = period_at("Q4", 0, datetime(2026, 2, 1, tzinfo=UTC).timestamp())
    assert found is not None and datetime.fromtimestamp(found.start_s, UTC) == datetime(2025, 10, 1, tzinfo=UTC)


def test_an_age() -> None:
    assert age_at("two years old", 0) == (2 * 365 * 86_400.0, 9)
    assert age_at("ten hours", 0) is None
