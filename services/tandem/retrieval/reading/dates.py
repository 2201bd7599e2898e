"""When a document was written or changed, where a question says it of documents: `notes from March`, `changed last week`."""

import re
from collections.abc import Iterator

from tandem.domain.filters import Condition, FilterField
from tandem.retrieval.reading.hint import Hint
from tandem.retrieval.reading.nouns import DOCUMENTS
from tandem.retrieval.reading.periods import Period, age_at, period_at

_MADE = r"(?:written|created|published|authored|drafted|posted|issued)"
_CHANGED = r"(?:updated|modified|changed|edited|revised|uploaded|added|touched|amended)"
_BEFORE = r"(?:before|until|till|up\s+to|prior\s+to|no\s+later\s+than|earlier\s+than|older\s+than)"
_AFTER = r"(?:since|after|later\s+than|newer\s+than|starting|as\s+of)"
_WITHIN = r"(?:in|from|during|within|over|throughout|for|on|of|dated|between|around)"
_PREPOSITION = rf"(?P<prep>{_BEFORE}|{_AFTER}|{_WITHIN})"
_ARE = (
    r"(?:(?:that|which)\s+)?(?:(?:were|was|are|is|have\s+been|has\s+been|got)\s+)?(?:(?:last|first|newly|recently)\s+)?"
)
# `documents written in`, `the notes from`, `pages that were changed since`: said of documents.
_OF_DOCUMENTS = re.compile(
    rf"\b{DOCUMENTS}\s+{_ARE}(?P<cut>(?:(?:(?P<made>{_MADE})|(?P<changed>{_CHANGED}))\s+)?(?:{_PREPOSITION}\s+)?)",
    re.IGNORECASE,
)
# `What changed since`, `anything new since`, `everything updated last week`: of nothing else either.
_OF_ALL = re.compile(
    r"\b(?:what|what['’]s|anything|everything|something|whatever|which\s+ones|only|ones|those)\s+"
    rf"(?:(?:was|were|is|has|have|been|got|that|which)\s+)*"
    rf"(?P<cut>(?:(?P<made>{_MADE})|(?P<changed>{_CHANGED}|new))\s+(?:to\s+(?:the|our)\s+{DOCUMENTS}\s+)?(?:{_PREPOSITION}\s+)?)",
    re.IGNORECASE,
)
# With an author: `What did Jane Doe write in March`.
_OF_AUTHOR = re.compile(
    rf"\b(?:(?P<made>write|wrote|written|publish|say|said|note|report|post)|(?P<changed>change|update|edit))"
    rf"(?:\s+(?:about|on|of|by)(?:\s+[\w-]+){{1,6}}?|\s+about)?\s+(?P<cut>(?:{_PREPOSITION}\s+)?)",
    re.IGNORECASE,
)
# `last week's notes`, `yesterday's minutes`.
_POSSESSIVE = re.compile(
    r"\b(?=(?:last|this|yesterday|today|monday|tuesday|wednesday|thursday|friday)\b)", re.IGNORECASE
)
_POSSESSED = re.compile(rf"['’]s?\s+(?={DOCUMENTS}\b)", re.IGNORECASE)
_RANGE = re.compile(r"\s*(?:and|to|until|till|through|-|–)\s*", re.IGNORECASE)
_ONWARDS = re.compile(r"\s+(?:onwards?|and\s+later|or\s+later)\b", re.IGNORECASE)
# Just below the excluded end: bounds are inclusive.
_TICK_S = 0.001
# Words without a preposition name a time by themselves only when they are relative: `changed last week`.
_RELATIVE = re.compile(r"(?:last|this|past|the\s+(?:last|past|previous|current)|yesterday|today|\S+(?:\s+\S+){1,3}\s+ago)\b", re.IGNORECASE)  # fmt: skip


def dates(question: str, now_s: float) -> Iterator[Hint]:
    """The first span of time that the question says of documents."""
    if found := _first(question, (_OF_ALL, _OF_DOCUMENTS), now_s):
        yield found
        return
    for match in _POSSESSIVE.finditer(question):
        period = period_at(question, match.start(), now_s)
        owned = None if period is None else _POSSESSED.match(question, period.stop)
        if period is not None and owned is not None:
            yield _hint((match.start(), owned.end()), _both(period.start_s, period.end_s))
            return


def authored_dates(question: str, now_s: float) -> Iterator[Hint]:
    """The first span of time in which somebody wrote what is asked for."""
    if found := _first(question, (_OF_AUTHOR,), now_s):
        yield found


def _first(question: str, patterns: tuple[re.Pattern[str], ...], now_s: float) -> Hint | None:
    said = (_said_of(question, match, now_s) for pattern in patterns for match in pattern.finditer(question))
    return next((hint for hint in said if hint is not None), None)


def _said_of(question: str, match: re.Match[str], now_s: float) -> Hint | None:
    begin = match.end()
    preposition = " ".join((match["prep"] or "").lower().split())
    if not preposition and not _RELATIVE.match(question, begin):
        return None
    if preposition in ("older than", "newer than"):
        age = age_at(question, begin)
        if age is None:
            return None
        since_s, stop = now_s - age[0], age[1]
        start_s, end_s = (None, since_s) if preposition == "older than" else (since_s, None)
    else:
        period = period_at(question, begin, now_s)
        if period is None:
            return None
        start_s, end_s, stop = _bounds(question, preposition, period, now_s)
    fields: tuple[FilterField, ...] = ("created_at", "modified_at")
    if match["changed"]:
        fields = ("modified_at",)
    return _hint((match.start("cut"), stop), _conditions(fields, start_s, end_s))


def _bounds(question: str, preposition: str, period: Period, now_s: float) -> tuple[float | None, float | None, int]:
    """Start, excluded end, and where the words for it end."""
    match preposition:
        case "until" | "till" | "up to" | "no later than":
            return None, period.end_s, period.stop
        case "before" | "prior to" | "earlier than":
            return None, period.start_s, period.stop
        case "after" | "later than":
            return period.end_s, None, period.stop
        case "since" | "starting" | "as of":
            return period.start_s, None, period.stop
        case _:
            return _span(question, preposition, period, now_s)


def _span(question: str, preposition: str, period: Period, now_s: float) -> tuple[float | None, float | None, int]:
    """The period, up to another one where the question goes on so: `between May and July`, `from 2023 on`."""
    if onwards := _ONWARDS.match(question, period.stop):
        return period.start_s, None, onwards.end()
    joint = _RANGE.match(question, period.stop) if preposition in ("between", "from") else None
    other = None if joint is None else period_at(question, joint.end(), now_s)
    if other is not None and other.end_s >= period.end_s:
        return period.start_s, other.end_s, other.stop
    return period.start_s, period.end_s, period.stop


def _both(start_s: float | None, end_s: float | None) -> tuple[Condition, ...]:
    return _conditions(("created_at", "modified_at"), start_s, end_s)


def _conditions(fields: tuple[FilterField, ...], start_s: float | None, end_s: float | None) -> tuple[Condition, ...]:
    last_s = None if end_s is None else end_s - _TICK_S
    return tuple(Condition(field, at_least=start_s, at_most=last_s) for field in fields)


def _hint(span: tuple[int, int], choices: tuple[Condition, ...]) -> Hint:
    return Hint("date", span, choices)
