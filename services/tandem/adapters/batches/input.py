"""A batch file on this disk, or from standard input."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from tandem.domain.batch_line import BatchLine
from tandem.domain.errors import InvalidRequest
from tandem.pipeline.batches.lines import LineReader

STANDARD = Path("-")
_PIECE = 1 << 20


@contextmanager
def opened_input(path: Path) -> Iterator[BinaryIO]:
    """It can be read again from its beginning, also what comes from standard input or a pipe. Raises `InvalidRequest`."""
    with ExitStack() as stack:
        try:
            standard = path == STANDARD
            file: BinaryIO = sys.stdin.buffer if standard else stack.enter_context(path.open("rb"))
            if standard or not file.seekable():
                copy: BinaryIO = stack.enter_context(tempfile.TemporaryFile(prefix="tandem-batch-"))
                shutil.copyfileobj(file, copy, _PIECE)
                file = copy
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from error
        yield file


def lines_of(file: BinaryIO) -> Iterator[BatchLine]:
    """From the beginning. Two readers at a time would be in each other's way."""
    reader = LineReader()
    file.seek(0)
    while piece := file.read(_PIECE):
        yield from reader.feed(piece)
    yield from reader.end()
