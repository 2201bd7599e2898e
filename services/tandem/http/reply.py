"""JSON replies, written by pydantic or orjson rather than by FastAPI's slower way."""

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel
from starlette.responses import Response


class Json(Response):
    """A reply whose body is `content`: a wire model, or what orjson can write."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        if isinstance(content, BaseModel):
            return content.model_dump_json().encode()
        return orjson.dumps(content)


def json_reply(
    content: BaseModel | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Json:
    """A JSON reply."""
    return Json(content, status_code=status, headers=headers)
