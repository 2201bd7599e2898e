"""A typed filter out of the JSON object that a model wrote: checked against its schema, and against the question's own words."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tandem.domain.filters import Condition, Filter, FilterField
from tandem.domain.text import words

_DAY = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 100}
_DAYS: dict[str, tuple[FilterField, bool]] = {
    "created_from": ("created_at", False),
    "created_to": ("created_at", True),
    "modified_from": ("modified_at", False),
    "modified_to": ("modified_at", True),
}
_OFFICE = "application/vnd.openxmlformats-officedocument"
_FILE_TYPES: dict[str, tuple[str, ...]] = {
    "pdf": ("application/pdf",),
    "slides": (f"{_OFFICE}.presentationml.presentation",),
    "spreadsheet": (f"{_OFFICE}.spreadsheetml.sheet", "text/csv"),
    "word": (f"{_OFFICE}.wordprocessingml.document",),
    "markdown": ("text/markdown",),
    "html": ("text/html",),
}
_PROPERTIES: dict[str, dict[str, Any]] = {
    "author": _NAME,
    "tags": {"type": "array", "items": _NAME, "maxItems": 5},
    "file_type": {"type": "string", "enum": list(_FILE_TYPES)},
    "language": {"type": "string", "pattern": "^[a-z]{2}$"},
    "path": _NAME,
    **dict.fromkeys(_DAYS, _DAY),
}
# What the model's server is to hold the answer to.
SCHEMA = json.dumps({"type": "object", "properties": _PROPERTIES, "additionalProperties": False}, sort_keys=True)
# A year, or words that name a time without one: without them the model made the day up. "In which year" names none.
_YEARS = re.compile(r"\b(?:19|20)\d\d\b")
_TIMES = re.compile(
    r"\b(?:today|yesterday|ago|recent(?:ly)?|(?:last|past|this|previous|current)\s+(?:\w+\s+)?(?:day|week|month|quarter|year)s?|"
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|(?-i:May)|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)
_FILE_WORDS: dict[str, re.Pattern[str]] = {
    "pdf": re.compile(r"\bpdfs?\b", re.IGNORECASE),
    "slides": re.compile(r"\b(?:slides?|decks?|presentations?|power\s?points?|pptx)\b", re.IGNORECASE),
    "spreadsheet": re.compile(r"\b(?:spread\s?sheets?|excel|xlsx|csvs?|workbooks?)\b", re.IGNORECASE),
    "word": re.compile(r"\b(?:word|docx)\b", re.IGNORECASE),
    "markdown": re.compile(r"\b(?:markdown|md)\b", re.IGNORECASE),
    "html": re.compile(r"\b(?:html|web\s?pages?)\b", re.IGNORECASE),
}
_LANGUAGES = {"en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "pt": "portuguese", "nl": "dutch", "pl": "polish", "ru": "russian", "zh": "chinese", "ja": "japanese", "ar": "arabic", "tr": "turkish", "sv": "swedish", "da": "danish", "no": "norwegian", "fi": "finnish", "cs": "czech", "el": "greek", "uk": "ukrainian"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposal:
    """The conditions; none, with the `fault`, when anything of it is wrong: nothing is repaired."""

    filters: Filter = ()
    fault: str = ""


def proposed(written: str, question: str) -> Proposal:
    """What the model wrote, each value of it grounded in the question's own words."""
    try:
        return Proposal(_conditions(_object(written), question))
    except ValueError as error:
        return Proposal(fault=str(error))


def _object(written: str) -> dict[str, Any]:
    try:
        answer = json.loads(written)
    except ValueError:
        raise ValueError("no JSON") from None
    if not isinstance(answer, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one kind of fault
    if unknown := sorted(set(answer) - set(_PROPERTIES)):
        raise ValueError(f"no such field: {unknown[0][:40]}")
    return answer


def _conditions(answer: dict[str, Any], question: str) -> Filter:
    named = (
        _named(name, value, question)
        for name, value in answer.items()
        if name not in _DAYS and value not in (None, "", [])
    )
    return (*named, *_days(answer, question))


def _named(name: str, value: object, question: str) -> Condition:
    values = value if isinstance(value, list) and name == "tags" else [value]
    texts = [each for each in values if isinstance(each, str) and 0 < len(each) <= 100]
    if len(texts) < len(values) or len(texts) > 5:
        raise ValueError(f"{name} is of another type")
    for text in texts:
        if not _said(name, text, question):
            raise ValueError(f"{name} {text[:40]!r} does not stand in the question")
    match name:
        case "author":
            return Condition("author", tuple(texts))
        case "tags":
            return Condition("tags", tuple(texts))
        case "file_type":
            return Condition("media_type", _FILE_TYPES[texts[0]])
        case "language":
            return Condition("language", tuple(texts))
        case _:
            return Condition("path", tuple(texts))


def _said(name: str, text: str, question: str) -> bool:
    if name == "file_type":
        if text not in _FILE_TYPES:
            raise ValueError(f"no such file_type: {text[:40]}")
        return bool(_FILE_WORDS[text].search(question))
    if name == "language":
        return _LANGUAGES.get(text, "") in words(question)
    if name == "path":
        return text.rstrip("/").casefold() in question.casefold()
    return bool(words(text)) and set(words(text)) <= {
        word.removesuffix("'s").removesuffix("’s") for word in words(question)
    }


def _days(answer: dict[str, Any], question: str) -> list[Condition]:
    bounds: dict[FilterField, dict[str, float]] = {}
    for name, (field, last) in _DAYS.items():
        if answer.get(name) in (None, ""):
            continue
        if not _names_time(str(answer[name]), question):
            raise ValueError(f"{name}: the question names no such time")
        bounds.setdefault(field, {})["at_most" if last else "at_least"] = _epoch_s(answer[name], last=last)
    for field, found in bounds.items():
        if found.get("at_least", float("-inf")) > found.get("at_most", float("inf")):
            raise ValueError(f"{field} ends before it begins")
    return [
        Condition(field, at_least=found.get("at_least"), at_most=found.get("at_most"))
        for field, found in bounds.items()
    ]


def _names_time(day: str, question: str) -> bool:
    years = _YEARS.findall(question)
    return day[:4] in years if years else _TIMES.search(question) is not None


def _epoch_s(day: object, *, last: bool) -> float:
    try:
        start = datetime.combine(date.fromisoformat(str(day)), datetime.min.time(), UTC)
    except ValueError:
        raise ValueError(f"no day: {str(day)[:40]}") from None
    return (start + timedelta(days=1)).timestamp() - 0.001 if last else start.timestamp()
