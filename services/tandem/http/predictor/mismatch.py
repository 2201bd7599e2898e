"""A JSON value of the wrong type, in the words TGI's parser has for it."""

from typing import Any

from pydantic import ValidationError

_EXPECTED = {
    "int_type": "u32",
    "int_from_float": "u32",
    "greater_than_equal": "u32",
    "less_than_equal": "u32",
    "float_type": "f32",
    "bool_type": "a boolean",
    "string_type": "a string",
    "list_type": "a sequence",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}
_OUT_OF_RANGE = {"greater_than_equal", "less_than_equal"}


def described(error: ValidationError) -> str:
    """The fault that lies deepest: where several shapes are allowed, it is of the one that was meant."""
    found = max(error.errors(), key=lambda one: len(one["loc"]))
    place = [str(part) for part in found["loc"]]
    if found["type"] == "missing":
        inside = "".join(f"{part}." for part in place[:-1])
        return f"{inside.rstrip('.')}{': ' if inside else ''}missing field `{place[-1]}`"
    prefix = f"{'.'.join(place)}: " if place else ""
    expected = _EXPECTED.get(found["type"])
    if expected is None:
        return f"{prefix}{found['msg']}"
    kind = "value" if found["type"] in _OUT_OF_RANGE else "type"
    return f"{prefix}invalid {kind}: {_shown(found['input'])}, expected {expected}"


def _shown(value: Any) -> str:
    match value:
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f'string "{value[:64]}"'
        case _:
            return {type(None): "null", list: "sequence"}.get(type(value), "map")
