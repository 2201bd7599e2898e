"""Output and error file of a batch: a line is appended when it is known, whole or not at all, and by one process only."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from tandem.domain.errors import InvalidRequest, StoreBusy, StoreFull, TandemError
from tandem.pipeline.batches.earlier import Result, read_result

_ANEW = "Name another file with -o, or start over with --overwrite."
_HEAD = b'{"id"'
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ResultFile:
    """One of both. Opened, it is this process's: the kernel lets go of the lock however the process ends.

    Without `path` it is standard output; that, and what is no file on a disk, is only written to.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._unsynced = False
        with _told(path):
            self._handle = (
                1 if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            )
            self.kept = path is not None and stat.S_ISREG(os.fstat(self._handle).st_mode)
        if self.kept and path is not None:
            _lock(self._handle, path)
            with _told(path):
                if os.fstat(self._handle).st_ino != path.stat().st_ino:
                    os.close(self._handle)
                    # It was replaced since it was opened, by who just gave up the lock.
                    raise _busy(path)

    def clear(self) -> None:
        """Nothing is left of an earlier run."""
        if self.kept:
            with _told(self._path):
                os.ftruncate(self._handle, 0)

    def earlier(self) -> Iterator[Result]:
        """What it holds. A line that was cut short at its end is cut off. Raises `InvalidRequest` for anything else."""
        for number, raw in enumerate(self._mended()):
            result = read_result(raw)
            if result is None:
                raise InvalidRequest(f"Line {number + 1} of {self._path} is no result of a batch.", hint=_ANEW)
            yield result

    def keep(self, wanted: Callable[[Result], bool]) -> None:
        """All other lines go. Killed in between, it is as before."""
        if not self.kept or self._path is None:
            return
        new = self._path.with_name(self._path.name + ".new")
        with _told(self._path):
            handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
            _lock(handle, self._path)
            for raw in self._mended():
                result = read_result(raw)
                if result is not None and wanted(result):
                    _write(handle, raw)
            os.fsync(handle)
            new.replace(self._path)
            os.close(self._handle)
            self._handle = handle
            _sync_folder(self._path)

    def append(self, line: bytes) -> None:
        """It is with the kernel when this returns: it outlives this process, and with the next `sync` this machine's power."""
        with _told(self._path):
            before = os.fstat(self._handle).st_size if self.kept else 0
            try:
                _write(self._handle, line)
            except OSError:
                if self.kept:
                    os.ftruncate(self._handle, before)
                raise
        self._unsynced = True

    def sync(self) -> None:
        """What was appended is on the disk."""
        if self._unsynced and self.kept:
            self._unsynced = False
            with _told(self._path):
                os.fsync(self._handle)

    def close(self) -> None:
        """An empty error file is of no use to anybody, so that its owner may say to leave none."""
        if self._path is not None:
            self.sync()
            os.close(self._handle)

    def remove_if_empty(self) -> None:
        """While it is still locked."""
        if self.kept and self._path is not None and os.fstat(self._handle).st_size == 0:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _mended(self) -> Iterator[bytes]:
        """Whole lines."""
        if not self.kept:
            return
        with _told(self._path), open(self._handle, "rb", closefd=False) as file:
            file.seek(0)
            at = 0
            for raw in file:
                whole = raw.endswith(b"\n")
                if not whole and read_result(raw) is not None:
                    # An editor left out the break.
                    _write(self._handle, b"\n")
                elif not whole and _ours(raw):
                    # Killed while it was written.
                    os.ftruncate(self._handle, at)
                    return
                at += len(raw)
                if raw.strip():
                    yield raw if whole else raw + b"\n"


@contextlib.contextmanager
def result_files(
    output: Path | None, errors: Path | None, *, overwrite: bool
) -> Iterator[tuple[ResultFile, ResultFile]]:
    """Both, open. Without `output` it is standard output, and so is `errors` without a path."""
    answered = ResultFile(output)
    try:
        failed = answered if errors is None else ResultFile(errors)
    except TandemError:
        answered.close()
        raise
    try:
        if overwrite:
            answered.clear()
            failed.clear()
        yield answered, failed
    finally:
        if failed is not answered:
            failed.remove_if_empty()
            failed.close()
        answered.close()


def _busy(path: Path) -> StoreBusy:
    return StoreBusy(
        f"Another tandem batch run writes to {path}.", hint="Wait for its end, or name another file with -o."
    )


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise _busy(path) from error


def _ours(raw: bytes) -> bool:
    """What may be left of a line of ours; of somebody else's file nothing is cut off."""
    return raw.startswith(_HEAD) or _HEAD.startswith(raw) or not raw.strip(b"\0")


def _write(handle: int, line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[os.write(handle, view) :]


def _sync_folder(path: Path) -> None:
    handle = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _told(path: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = path or "standard output"
        if error.errno in _FULL:
            hint = "Free some space, and run the same command again: it goes on where it stopped."
            raise StoreFull(f"There is no room left to write {where}.", hint=hint) from error
        raise InvalidRequest(f"{where} cannot be written: {error.strerror}.") from error
