"""One line of JSON for each record, on a stream such as standard output."""

import asyncio
import errno
import os
import select
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager

import orjson

from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.record import AnswerRecord
from tandem.domain.sayable import sayable

# A pipe that says it has room takes so much at once: PIPE_BUF.
_PIECE_BYTES = 4096
_LOOK_S = 0.05
STDOUT = 1


class ConsoleSink:
    """`ports/sink.py`. A reader that stands still holds up a thread of this sink's, and nothing else.

    `file` is a file descriptor. A line that was begun is finished before anything else is written. After `patience_s`
    without a byte taken, the records are for later.
    """

    def __init__(self, file: int, patience_s: float) -> None:
        self._file = file
        self._patience_s = patience_s
        self._begun = b""
        self._turn = threading.Lock()
        self._ended = threading.Event()

    @property
    def name(self) -> str:
        """See the port."""
        return "stdout"

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """See the port. Raises `UpstreamUnavailable` when nobody reads on, or any more; what was read stays read."""
        written: Future[None] = Future()
        # Not asyncio's threads: those are waited for when the process ends.
        threading.Thread(target=self._ship, args=(records, written), name="tandem-stdout", daemon=True).start()
        try:
            await asyncio.wrap_future(written)
        except OSError as error:
            raise UpstreamUnavailable(f"Standard output takes nothing: {error.strerror or error}.") from error

    def end(self) -> None:
        """Nothing waits for the reader any more."""
        self._ended.set()

    def _ship(self, records: Sequence[AnswerRecord], written: Future[None]) -> None:
        with self._turn:
            if not written.set_running_or_notify_cancel():
                return
            try:
                self._write(b"".join(map(_line, records)))
            except OSError as error:
                written.set_exception(error)
            else:
                written.set_result(None)

    def _write(self, lines: bytes) -> None:
        whole, at, first = self._begun + lines, 0, len(self._begun)
        try:
            while at < len(whole):
                self._wait()
                at += os.write(self._file, whole[at : at + _PIECE_BYTES])
        finally:
            if at < first:
                self._begun = self._begun[at:]
            else:
                inside = at > 0 and whole[at - 1 : at] != b"\n"
                self._begun = whole[at : whole.index(b"\n", at) + 1] if inside else b""

    def _wait(self) -> None:
        """Until there is room: a file always has it, a pipe may not."""
        room = select.poll()
        room.register(self._file, select.POLLOUT)
        for _ in range(max(1, round(self._patience_s / _LOOK_S))):
            if room.poll(_LOOK_S * 1000):
                return
            if self._ended.is_set():
                break
        raise BlockingIOError(errno.EAGAIN, "its reader does not read on")


def line(record: AnswerRecord) -> bytes:
    """The record, marked so that it is known among other lines."""
    told = {"tandem": "answer", "record": record}
    try:
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(sayable(told), option=orjson.OPT_APPEND_NEWLINE)


def _line(record: AnswerRecord) -> bytes:
    # Python's lock is let go: without, whoever streams tokens meanwhile gets it every 5 ms only.
    time.sleep(0)  # noqa: TID251 - in a thread, for no time
    return line(record)


@asynccontextmanager
async def console_sink(file: int = STDOUT, *, patience_s: float = 30.0) -> AsyncIterator[ConsoleSink]:
    """A sink that leaves the descriptor open. When it ends, so does the wait for a reader."""
    sink = ConsoleSink(file, patience_s)
    try:
        yield sink
    finally:
        sink.end()
