"""Log lines on their way out: a thread writes them, so that whoever does not read them holds nobody else up."""

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

# Lines that come together are written together: a system call a line would cost as much as making it.
_GATHER_S = 0.01
_AT_ONCE = 256
# At the end of the process, for a reader that is merely slow.
_END_S = 1.0
# So many lines may wait with theirs.
_TRACEBACKS = 100


class Lines(logging.Handler):
    """At most `room` lines wait; one more is lost, and counted. A line of its own says how many, once there is room.

    Lines are made where they are written: the event loop pays for taking note only.
    """

    def __init__(self, stream: TextIO, room: int) -> None:
        super().__init__()
        self.left_out: Callable[[str], None] = lambda _reason: None
        self._stream = stream
        self._room = room
        self._waiting: deque[logging.LogRecord] = deque()
        self._lost = 0
        self._busy = self._over = False
        self._come = threading.Event()
        # Never set: the thread's way to rest, which no event loop sees.
        self._pause = threading.Event()
        threading.Thread(target=self._write_all, name="log lines", daemon=True).start()

    def handle(self, record: logging.LogRecord) -> bool:
        """Take note. Without the lock that handlers have: a deque needs none, and nobody waits for anybody here."""
        if not self.filter(record):
            return False
        if len(self._waiting) >= self._room:
            self._lost += 1
            self.left_out("full")
            return True
        if record.exc_info and len(self._waiting) >= _TRACEBACKS:
            # They hold on to all that their requests had, for as long as the reader is stuck.
            record.exc_info = None
        self._waiting.append(record)
        if not self._come.is_set():
            self._come.set()
        return True

    def flush(self) -> None:
        """Wait until what was noted is written, but not for a reader that is stuck."""
        ends_s = time.monotonic() + _END_S
        while (self._waiting or self._busy) and time.monotonic() < ends_s:
            self._come.set()
            self._pause.wait(_GATHER_S / 4)

    def close(self) -> None:
        """Write what is left, and end the thread, where it can."""
        self.flush()
        self._over = True
        self._come.set()
        super().close()

    def _write_all(self) -> None:
        while not self._over:
            self._come.wait()
            self._come.clear()
            while self._waiting:
                self._busy = True
                self._write("".join(self._gathered()))
                self._busy = False
            self._pause.wait(_GATHER_S)

    def _gathered(self) -> list[str]:
        made: list[str] = []
        if self._lost:
            lost, self._lost = self._lost, 0
            made.append(self._made(_missing(lost)))
        made += [self._made(self._waiting.popleft()) for _ in range(min(len(self._waiting), _AT_ONCE))]
        return made

    def _made(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + "\n"
        except Exception as error:  # noqa: BLE001 - a line that cannot be made must not end all others
            return f"a log line cannot be made ({type(error).__name__}): {record.name} {record.msg!r}\n"

    def _write(self, text: str) -> None:
        # Nobody reads any more: there is nowhere to say so.
        with contextlib.suppress(OSError, ValueError):
            try:
                number = self._stream.fileno()
            except (OSError, ValueError, AttributeError):
                self._stream.write(text)
                self._stream.flush()
                return
            # Not through the stream's own buffer: a thread that is stuck in it would be in the way of the process's end.
            rest = memoryview(text.encode("utf-8", "backslashreplace"))
            while rest:
                rest = rest[self._some(number, rest) :]

    def _some(self, number: int, rest: memoryview) -> int:
        try:
            return os.write(number, rest)
        except BlockingIOError:
            # Whoever shares it has made it so.
            self._pause.wait(_GATHER_S)
            return 0


def _missing(lost: int) -> logging.LogRecord:
    return logging.LogRecord(
        "tandem.log", logging.WARNING, "", 0, "%d lines are missing here: nobody read them", (lost,), None
    )
