"""Log lines on their way out, and what a reader that does not read can do: nothing."""

import io
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tandem.domain.errors import UpstreamFailed
from tandem.observe.lines import Lines
from tandem.observe.logs import JsonLines, TextLines


@contextmanager
def logger(handler: logging.Handler) -> Iterator[logging.Logger]:
    log = logging.Logger("tandem.x", logging.INFO)  # noqa: LOG001 - one that no other test sees
    log.addHandler(handler)
    yield log
    handler.close()


def test_lines_come_out_in_order_and_together() -> None:
    stream = io.StringIO()
    with logger(Lines(stream, 1000)) as log:
        for number in range(600):
            log.info("line %d", number)
    assert stream.getvalue().split("\n")[:-1] == [f"line {number}" for number in range(600)]


def test_a_pipe_that_nobody_reads_holds_nobody_up() -> None:
    reading, writing = os.pipe()
    counted: Counter[str] = Counter()
    with os.fdopen(reading, "rb") as read, os.fdopen(writing, "w") as stream:
        handler = Lines(stream, 100)
        handler.left_out = lambda reason: counted.update([reason])
        with logger(handler) as log:
            for _ in range(50):
                # A pipe holds 64 KB.
                log.info("x" * 10_000)
            for number in range(200):
                log.info("later %d", number)
            assert counted["full"] > 50
            got: list[bytes] = []
            reader = threading.Thread(target=lambda: got.extend(read))
            reader.start()
            handler.flush()
        stream.close()
        reader.join(10)
    missing = [line for line in got if b"lines are missing here" in line]
    assert [int(line.split()[0]) for line in missing] == [counted["full"]]
    assert len(got) == 250 - counted["full"] + 1


def test_a_line_that_cannot_be_made_does_not_end_the_others() -> None:
    stream = io.StringIO()
    with logger(Lines(stream, 10)) as log:
        log.info("%d", "no number")
        log.info("fine")
    assert stream.getvalue().splitlines() == [
        "a log line cannot be made (TypeError): tandem.x '%d'",
        "fine",
    ]


def test_nobody_reads_any_more() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream, logger(Lines(stream, 10)) as log:
        log.info("into the void")


def fail(said: str) -> None:
    try:
        raise KeyError(said)  # noqa: TRY301 - to be the cause
    except KeyError as error:
        raise UpstreamFailed(said) from error


@pytest.mark.parametrize("form", [JsonLines, TextLines])
def test_messages_of_errors_stay_out_unless_content_is_wanted(form: type[JsonLines | TextLines]) -> None:
    # Tracebacks show lines of code: the word must not stand in one.
    told = "canary"
    for content in (False, True):
        stream = io.StringIO()
        handler = Lines(stream, 10)
        handler.setFormatter(form(content=content))
        with logger(handler) as log:
            try:
                fail(told)
            except UpstreamFailed:
                log.exception("unforeseen")
        text = stream.getvalue()
        assert (told in text) is content
        assert "UpstreamFailed" in text
        assert "KeyError" in text
        assert "test_lines.py" in text
