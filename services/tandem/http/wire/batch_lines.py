"""What comes of a batch's lines, as lines of OpenAI's output and error files."""

from collections.abc import Mapping
from typing import Any

import orjson

from tandem.domain.batch_line import LineFault


def answered_line(line_id: str, custom_id: str, request_id: str, completion: bytes) -> bytes:
    """For the output file: `completion` is the `chat.completion` as JSON."""
    return _line(
        line_id, custom_id, {"status_code": 200, "request_id": request_id, "body": orjson.Fragment(completion)}
    )


def refused_line(line_id: str, custom_id: str, request_id: str, status: int, body: Mapping[str, Any]) -> bytes:
    """For the error file: what the same request would be answered with online, as `http/errors.py` tells it."""
    return _line(line_id, custom_id, {"status_code": status, "request_id": request_id, "body": body})


def fault_line(line_id: str, number: int, custom_id: str | None, fault: LineFault) -> bytes:
    """For the error file: a line that never became a request. Lines of files are counted from 1, as editors do."""
    error = {"code": fault.code, "message": fault.message, "line": number + 1}
    return _line(line_id, custom_id, None, error)


def _line(
    line_id: str, custom_id: str | None, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None = None
) -> bytes:
    told = {"id": line_id, "custom_id": custom_id, "response": response, "error": error}
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
