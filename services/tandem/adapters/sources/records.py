"""JSON and JSONL: lists of records become tables or sections; anything else stays as it is written."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tandem.adapters.sources.encodings import charset_of, clean, decode
from tandem.adapters.sources.formats import JSON_TYPE, JSONL_TYPE
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.tables import markdown_tables, weight
from tandem.domain.document import LoadedDocument, RawDocument

# What a record may be called by, best first.
_NAMES = ("title", "name", "question", "subject", "heading", "id", "_id", "key", "url")
_LONG = 200
_FLAT_WEIGHT = 90
_MOST_COLUMNS = 12
_MAX_DEPTH = 20

Record = Mapping[str, Any]


def read_records(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """A table of flat records with the same fields; a section for each record otherwise; a single value as it is."""
    text = decode(document.body, charset_of(document.media_type)).strip("\n")
    records = _lines(text) or _list(text)
    media_type = JSON_TYPE if text.lstrip()[:1] == "[" or records is None else JSONL_TYPE
    if records is None:
        return LoadedDocument("", f"```json\n{text}\n```" if "```" not in text else text, JSON_TYPE)
    blocks = markdown_tables(_rows(records), limits.text_chars) if _flat(records) else _sections(records)
    return LoadedDocument("", clean("\n\n".join(blocks)), media_type)


def _list(text: str) -> list[Record] | None:
    """The records of a list of objects, which may be the one list of an object."""
    found = _parsed(text)
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list) and len(value) > 1]
        found = lists[0] if len(lists) == 1 and len(found) <= 3 else None
    return _records(found) if isinstance(found, list) else None


def _lines(text: str) -> list[Record] | None:
    """The records of lines that are an object each."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 2 or not all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines):
        return None
    return _records([_parsed(line) for line in lines])


def _records(found: Sequence[Any]) -> list[Record] | None:
    return list(found) if found and all(isinstance(each, dict) for each in found) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # No JSON, however it is called, or nested deeper than any honest file.
        return None


def _flat(records: Sequence[Record]) -> bool:
    """Short plain values under the same few names."""
    names = list(records[0])
    if not 1 < len(names) <= _MOST_COLUMNS or any(list(each) != names for each in records):
        return False
    return (
        all(not isinstance(value, dict | list) for each in records for value in each.values())
        and max(weight(" ".join(map(str, each.values()))) for each in records) <= _FLAT_WEIGHT
    )


def _rows(records: Sequence[Record]) -> Iterator[list[Any]]:
    yield list(records[0])
    yield from (list(each.values()) for each in records)


def _sections(records: Sequence[Record]) -> Iterator[str]:
    for number, record in enumerate(records, 1):
        name = next(
            (key for key in _NAMES if isinstance(record.get(key), str | int) and str(record[key]).strip()), None
        )
        heading = " ".join(str(record[name]).split())[:_LONG] if name is not None else f"Record {number}"
        yield f"## {heading}"
        lines = [(path, value) for path, value in _leaves(record) if path != name]
        short = [f"{path}: {value}" for path, value in lines if len(value) <= _LONG]
        if short:
            yield "\n".join(short)
        yield from (f"{path}:\n\n{value}" for path, value in lines if len(value) > _LONG)


def _leaves(record: Record) -> Iterator[tuple[str, str]]:
    """`a.b[0]` and its value, in order; lists of plain values are one leaf."""
    waiting: list[tuple[str, Any, int]] = [("", record, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            inner = [(f"{path}.{key}" if path else str(key), each, depth + 1) for key, each in value.items()]
            waiting.extend(reversed(inner))
        elif isinstance(value, list) and depth < _MAX_DEPTH and any(isinstance(each, dict | list) for each in value):
            inner = [(f"{path}[{index}]", each, depth + 1) for index, each in enumerate(value)]
            waiting.extend(reversed(inner))
        else:
            yield path, _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if value is None or isinstance(value, bool | dict):
        return json.dumps(value)
    return str(value).strip()
