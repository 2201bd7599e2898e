"""Log lines for people and for machines."""

import io
import logging
from collections.abc import Iterator

import orjson
import pytest

from tandem.observe.logs import configure_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, names = logging.getLogger(), ("uvicorn", "uvicorn.access")
    handlers, level = root.handlers[:], root.level
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).disabled) for name in names}
    yield
    root.handlers[:], root.level = handlers, level
    for name, (was, disabled) in before.items():
        logging.getLogger(name).setLevel(was)
        logging.getLogger(name).disabled = disabled


def written(stream: io.StringIO) -> list[str]:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return stream.getvalue().splitlines()


def test_json_lines_hold_extras_and_exceptions() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    log = logging.getLogger("tandem.x")
    log.debug("hidden")
    log.info("served %s", "a\nb", extra={"request_id": "r-1", "duration_ms": 1.5})
    try:
        raise ValueError("why")  # noqa: TRY301 - to be logged
    except ValueError:
        log.exception("it broke")
    first, second = (orjson.loads(line) for line in written(stream))
    assert (first["message"], first["level"], first["logger"]) == ("served a\nb", "info", "tandem.x")
    assert (first["request_id"], first["duration_ms"]) == ("r-1", 1.5)
    assert first["time"].endswith("Z")
    assert "exception" not in first
    assert second["level"] == "error"
    assert "ValueError" in second["exception"]
    assert 'raise ValueError("why")' in second["exception"]


def test_text_lines_cannot_be_faked_by_a_request() -> None:
    stream = io.StringIO()
    configure_logging("info", "text", stream)
    logging.getLogger("tandem.x").info("GET %s", "/a\nINFO fake \x1b[31m", extra={"request_id": "r\n1"})
    [line] = written(stream)
    assert "\x1b" not in line
    assert "/a\\nINFO fake" in line
    assert line.endswith("request_id=r\\n1")
