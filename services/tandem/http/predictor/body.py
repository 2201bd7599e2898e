"""From a request's bytes to its model, refused in the words of TGI's framework where they do not fit."""

from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from tandem.http.predictor.mismatch import described

# TGI's PAYLOAD_LIMIT.
MAX_BODY_BYTES = 2_000_000

T = TypeVar("T", bound=BaseModel)


async def read(request: Request, model: type[T]) -> T:
    """The body as `model`. Raises `HTTPException` 415, 413, 400 or 422; its detail is the text to answer with."""
    if not _declares_json(request.headers.get("content-type", "")):
        raise HTTPException(415, "Expected request with `Content-Type: application/json`")
    content = _parsed(await _bytes(request))
    try:
        return model.model_validate(content)
    except ValidationError as error:
        fault = described(error)
        raise HTTPException(422, f"Failed to deserialize the JSON body into the target type: {fault}") from None


async def _bytes(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return bytes(body)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise HTTPException(400, f"Failed to parse the request body as JSON: {error.msg} at {place}") from None


def _too_large() -> HTTPException:
    return HTTPException(413, "Failed to buffer the request body: length limit exceeded")


def _declares_json(content_type: str) -> bool:
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))
