"""Log lines on stderr: text for people, or one JSON object a line for machines."""

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TextIO

import orjson

from tandem.domain.steps import code_of
from tandem.observe.lines import Lines

# What they say at debug level quotes what they send.
_TALKATIVE = ("httpcore", "httpx", "grpc", "aiokafka", "botocore", "urllib3", "asyncio")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


def configure_logging(
    level: Literal["debug", "info", "warning", "error"],
    form: Literal["text", "json"],
    stream: TextIO | None = None,
    *,
    room: int = 10_000,
    content: bool = False,
) -> None:
    """Send every logger's lines to `stream` (stderr). What is passed as `extra` is written too.

    `room` lines wait for whoever reads them. Without `content` the messages of errors are left out of tracebacks.
    """
    # Nothing of that is written: it would be half of what a line costs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = Lines(stream or sys.stderr, room)
    handler.setFormatter(JsonLines(content=content) if form == "json" else TextLines(content=content))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Its access line knows no request id, and ours says the same; below warning it only counts processes.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn").setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))


def count_lines(left_out: Callable[[str], None]) -> None:
    """Tell `left_out` of lines that are lost from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Lines):
            handler.left_out = left_out


class _Formatter(logging.Formatter):
    def __init__(self, *, content: bool = False) -> None:
        super().__init__()
        self._content = content

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's
        """The whole chain, the frames with their lines; of the errors the kinds, and their messages only if wanted.

        A message may quote what was asked, found or said.
        """
        return super().formatException(ei) if self._content else "\n".join(_chain(ei[1]))


class JsonLines(_Formatter):
    """One object a line: time, level, logger, message, the extras, and the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextLines(_Formatter):
    """Time, level, message, then `key=value` for the extras."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the exception below it."""
        extras = "".join(f" {key}={_printable(value)}" for key, value in _extras(record).items())
        line = f"{_time(record)} {record.levelname.lower():7} {_printable(record.getMessage())}{extras}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=4)
def _second(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


def _printable(value: object) -> str:
    """Control characters escaped: a path in a request must not be able to fake a line or colour a terminal."""
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _chain(error: BaseException | None) -> Iterator[str]:
    if error is None:
        return
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _chain(before)
        yield "which led to"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    code, kind = code_of(error), type(error).__name__
    yield kind if code == kind else f"{kind} ({code})"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _chain(each)
