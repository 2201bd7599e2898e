"""A record as JSON and back."""

from dataclasses import fields, is_dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from tandem.domain.record import SCHEMA, AnswerRecord

_RECORD = TypeAdapter(AnswerRecord)


class Unreadable(Exception):
    """This text is no record that is known here."""


def encoded(record: AnswerRecord) -> bytes:
    """Raises `TypeError` for what JSON cannot say. Halves of surrogate pairs, which UTF-8 cannot, become question marks."""
    try:
        return orjson.dumps(record)
    except TypeError:
        return orjson.dumps(_sayable(record))


def decoded(text: bytes) -> AnswerRecord:
    """Raises `Unreadable`, also for the record of a later version."""
    try:
        record = _RECORD.validate_json(text)
    except ValidationError as error:
        raise Unreadable(f"{error.error_count()} fields are not as they should be") from error
    if record.schema > SCHEMA:
        raise Unreadable(f"its schema is {record.schema}, and this version knows {SCHEMA}")
    return record


def _sayable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if is_dataclass(value):
        return {field.name: _sayable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {_sayable(key): _sayable(item) for key, item in value.items()}
    return [_sayable(item) for item in value] if isinstance(value, (tuple, list)) else value
