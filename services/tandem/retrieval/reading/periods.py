"""Spans of time as people name them (`March 2024`, `last week`, `3 days ago`), in UTC, relative to a given now."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = "january february march april may june july august september october november december".split()
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_NUMBERS = {
    word: number
    for number, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)
} | {"a": 1, "an": 1, "a couple of": 2, "couple of": 2, "a few": 3, "few": 3}
# What computers keep dates of; an earlier year is what a text is about.
_FIRST_YEAR = 1980

_MONTH = rf"(?P<month>{'|'.join(_MONTHS)}|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?)"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DAY = r"(?P<day>[0-3]?\d)(?:[snrt][tdh])?"
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_UNIT = r"(?P<unit>day|week|month|quarter|year)"
# Tried in this order; each is one way to name a span of time.
_FORMS = (
    ("iso_day", r"(?P<year>(?:19|20)\d\d)[-/](?P<number>[01]?\d)[-/](?P<day>[0-3]?\d)"),
    ("iso_month", r"(?P<year>(?:19|20)\d\d)-(?P<number>[01]\d)"),
    ("day_month", rf"(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?"),
    ("month_day", rf"{_MONTH}\s+(?:the\s+)?{_DAY}(?!\d)(?:,?\s+{_YEAR})?"),
    ("month", rf"(?P<last>last\s+|this\s+)?{_MONTH}(?:,?\s+(?:of\s+)?{_YEAR})?"),
    ("quarter", rf"q(?P<number>[1-4])(?:\s+(?:of\s+)?{_YEAR})?"),
    ("year", rf"(?:the\s+year\s+)?{_YEAR}"),
    ("today", r"(?P<name>today|yesterday)"),
    ("weekday", rf"(?:last\s+)?(?P<name>{'|'.join(_WEEKDAYS)})"),
    ("this", rf"(?:this|the\s+current)\s+{_UNIT}"),
    ("past", rf"(?:the\s+)?(?:last|past|previous)\s+{_COUNT}\s+{_UNIT}s?"),
    ("last", rf"(?:the\s+)?(?:last|past|previous)\s+{_UNIT}"),
    ("ago", rf"{_COUNT}\s+{_UNIT}s?\s+ago"),
)
_PATTERNS = tuple((name, re.compile(rf"{pattern}(?!\w)", re.IGNORECASE)) for name, pattern in _FORMS)


_AGE = re.compile(rf"{_COUNT}\s+{_UNIT}s?(?!\w)", re.IGNORECASE)
# Counting back, a month is 30 days and a year 365.
_DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s`, included, to `end_s`, excluded: epoch seconds. The words for it end at `stop` in the text."""

    start_s: float
    end_s: float
    stop: int


def period_at(text: str, begin: int, now_s: float) -> Period | None:
    """The span of time that is named at `begin`; None where none is, or none that a document could be of.

    A month or a day without its year is the last one that has begun; days begin at midnight UTC.
    """
    now = datetime.fromtimestamp(now_s, UTC)
    for name, pattern in _PATTERNS:
        match = pattern.match(text, begin)
        if match is None:
            continue
        try:
            start, end = _READ[name](match, now)
        except ValueError:
            # The 31st of June, say.
            continue
        if start.year >= _FIRST_YEAR and start <= now:
            return Period(start.timestamp(), end.timestamp(), match.end())
    return None


def age_at(text: str, begin: int) -> tuple[float, int] | None:
    """Seconds of an age such as `two years` that is named at `begin`, and where its words end."""
    match = _AGE.match(text, begin)
    return None if match is None else (_count(match) * _DAYS[match["unit"].lower()] * 86_400.0, match.end())


Read = Callable[[re.Match[str], datetime], tuple[datetime, datetime]]


def _day(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    month = int(match["number"]) if "number" in match.re.groupindex else _month_of(match["month"])
    start = datetime(int(match["year"] or now.year), month, int(match["day"]), tzinfo=UTC)
    if not match["year"] and start > now:
        start = start.replace(year=start.year - 1)
    return start, start + timedelta(days=1)


def _month(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    number = int(match["number"]) if "number" in match.re.groupindex else _month_of(match["month"])
    start = datetime(int(match["year"] or now.year), number, 1, tzinfo=UTC)
    if not match["year"] and start > now:
        start = start.replace(year=start.year - 1)
    return start, _later(start, 1)


def _quarter(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    start = datetime(int(match["year"] or now.year), 3 * int(match["number"]) - 2, 1, tzinfo=UTC)
    if not match["year"] and start > now:
        start = start.replace(year=start.year - 1)
    return start, _later(start, 3)


def _year(match: re.Match[str], _now: datetime) -> tuple[datetime, datetime]:
    year = int(match["year"])
    return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)


def _today(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    start = _midnight(now) - timedelta(days=match["name"].lower() == "yesterday")
    return start, start + timedelta(days=1)


def _weekday(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    back = (now.weekday() - _WEEKDAYS.index(match["name"].lower())) % 7 or 7
    start = _midnight(now) - timedelta(days=back)
    return start, start + timedelta(days=1)


def _this(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    return _around(match["unit"].lower(), now)


def _last(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    unit = match["unit"].lower()
    end, _ = _around(unit, now)
    start, _ = _around(unit, end - timedelta(days=1))
    return start, end


def _past(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    return _back(_count(match), match["unit"].lower(), now), now + timedelta(seconds=1)


def _ago(match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    return _around(match["unit"].lower(), _back(_count(match), match["unit"].lower(), now))


_READ: dict[str, Read] = {
    "iso_day": _day,
    "iso_month": _month,
    "day_month": _day,
    "month_day": _day,
    "month": _month,
    "quarter": _quarter,
    "year": _year,
    "today": _today,
    "weekday": _weekday,
    "this": _this,
    "past": _past,
    "last": _last,
    "ago": _ago,
}


def _around(unit: str, moment: datetime) -> tuple[datetime, datetime]:
    """The day, week (from Monday), month, quarter or year that the moment is in."""
    day = _midnight(moment)
    match unit:
        case "day":
            return day, day + timedelta(days=1)
        case "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case "month":
            return day.replace(day=1), _later(day.replace(day=1), 1)
        case "quarter":
            start = day.replace(month=day.month - (day.month - 1) % 3, day=1)
            return start, _later(start, 3)
        case _:
            start = day.replace(month=1, day=1)
            return start, _later(start, 12)


def _back(count: int, unit: str, now: datetime) -> datetime:
    return now - timedelta(days=count * _DAYS[unit])


def _later(start: datetime, months: int) -> datetime:
    """The first of a month, so many months later."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _month_of(name: str) -> int:
    return next(number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.lower().rstrip(".")[:3]))


def _count(match: re.Match[str]) -> int:
    word = " ".join(match["count"].lower().split())
    return _NUMBERS[word] if word in _NUMBERS else int(word)
