"""Questions as the records of a stream hold them, and why one of them has no answer."""

import orjson

from tandem.domain.errors import InvalidRequest, PayloadTooLarge, TandemError
from tandem.domain.question import Question
from tandem.http.errors import error_body
from tandem.http.permissions import check_version
from tandem.http.wire.chat_request import read_request


def question_in(body: bytes | None, collection: str, *, alias: str, most_bytes: int) -> Question:
    """The question of a chat request, `stream` left aside. Raises `InvalidRequest` with the path to what is wrong, and
    `PermissionDenied` for a version of a collection by its number.
    """
    if not body:
        raise InvalidRequest("The record has no value, so there is no question.")
    if len(body) > most_bytes:
        raise PayloadTooLarge(f"The question has {len(body):,} bytes; at most {most_bytes:,} are read.")
    request = read_request(body)
    # A stream asks with its groups as they are now, and is no admin.
    check_version(request.named, admin=False)
    return request.question(collection, alias=alias)


def refusal_of(error: TandemError) -> bytes:
    """As the same request is refused over HTTP."""
    return orjson.dumps(error_body(error))
