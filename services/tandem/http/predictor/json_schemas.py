"""The JSON schema that a chat's answer is to follow, in OpenAI's words or in TGI's."""

from typing import Any

import orjson

from tandem.domain.errors import InvalidRequest
from tandem.ports.engine import EngineLimits

_UNSUPPORTED = "`response_format` is not supported by this model"
_LONGEST = 16_384


def json_schema_of(response_format: Any, limits: EngineLimits) -> str | None:
    """The schema as JSON, None when the answer is free. Raises `InvalidRequest` for any other kind of format."""
    if response_format in (None, {"type": "text"}):
        return None
    if not limits.json_schemas or not isinstance(response_format, dict):
        raise InvalidRequest(_UNSUPPORTED)
    match response_format:
        case {"type": "json_schema", "json_schema": {"schema": dict() as schema}}:
            pass
        case {"type": "json" | "json_object", "value": dict() as schema}:
            pass
        case _:
            raise InvalidRequest(_UNSUPPORTED)
    text = orjson.dumps(schema)
    if len(text) > _LONGEST:
        raise InvalidRequest(f"the schema in `response_format` is longer than {_LONGEST} bytes")
    return text.decode()
