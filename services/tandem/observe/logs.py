"""Log lines on stderr: text for people, or one JSON object a line for machines."""

import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import orjson

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


def configure_logging(
    level: Literal["debug", "info", "warning", "error"], form: Literal["text", "json"], stream: TextIO | None = None
) -> None:
    """Send every logger's lines to `stream` (stderr). What is passed as `extra` is written too."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Its access line knows no request id, and ours says the same; below warning it only counts processes.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn").setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


class JsonLines(logging.Formatter):
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


class TextLines(logging.Formatter):
    """Time, level, message, then `key=value` for the extras."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the exception below it."""
        extras = "".join(f" {key}={_printable(value)}" for key, value in _extras(record).items())
        line = f"{_time(record)} {record.levelname.lower():7} {_printable(record.getMessage())}{extras}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


def _printable(value: object) -> str:
    """Control characters escaped: a path in a request must not be able to fake a line or colour a terminal."""
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()
