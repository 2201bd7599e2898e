"""Texts that UTF-8 can say: JSON lets halves of surrogate pairs through, which nothing else takes."""

from dataclasses import fields, is_dataclass
from typing import Any


def sayable(value: Any) -> Any:
    """The same as plain dicts, lists and values, with each such half as a question mark."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {sayable(key): sayable(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [sayable(item) for item in value]
    if is_dataclass(value):
        return {field.name: sayable(getattr(value, field.name)) for field in fields(value)}
    return value
