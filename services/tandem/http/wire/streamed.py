"""Questions as the records of a stream hold them, and why one of them has no answer."""

from collections.abc import Mapping
from typing import Any, cast

import orjson
from pydantic import ValidationError

from tandem.domain.errors import InvalidRequest, PayloadTooLarge, TandemError
from tandem.domain.question import Question
from tandem.http.errors import error_body, misfit
from tandem.http.wire.chat_request import ChatRequest


def question_in(body: bytes | None, collection: str, *, alias: str, most_bytes: int) -> Question:
    """The question of a chat request, `stream` left aside. Raises `InvalidRequest` with the path to what is wrong."""
    if not body:
        raise InvalidRequest("The record has no value, so there is no question.")
    if len(body) > most_bytes:
        raise PayloadTooLarge(f"The question has {len(body):,} bytes; at most {most_bytes:,} are read.")
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The record's value is not valid JSON: {error}.") from error
    try:
        return ChatRequest.model_validate(told).question(collection, alias=alias)
    except ValidationError as error:
        raise misfit(cast(list[Mapping[str, Any]], error.errors())) from error


def refusal_of(error: TandemError) -> bytes:
    """As the same request is refused over HTTP."""
    return orjson.dumps(error_body(error))
