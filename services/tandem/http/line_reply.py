"""Replies of many things, a line of JSON each, sent while they are found."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

LINES = "application/x-ndjson"


async def lines_reply(things: AsyncIterator[tuple[str, Any]]) -> Response:
    """Each with its kind. What is wrong with where they come from shows at the first one: then an error is answered."""
    first = await anext(things)
    return StreamingResponse(_lines(first, things), media_type=LINES)


async def _lines(first: tuple[str, Any], rest: AsyncIterator[tuple[str, Any]]) -> AsyncIterator[bytes]:
    yield _line(*first)
    async for kind, value in rest:
        yield _line(kind, value)


def _line(kind: str, value: Any) -> bytes:
    return orjson.dumps({"kind": kind, "value": value}, option=orjson.OPT_APPEND_NEWLINE, default=str)
