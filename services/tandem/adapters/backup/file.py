"""A file that is there whole or not at all, for its owner alone."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

from tandem.domain.errors import ConfigurationError, StoreFull, TandemError


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Written beside `path`, on the disk and under its name when the context is left without an error; else gone.

    Raises `ConfigurationError` for a folder or a device.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise ConfigurationError(
            f"{path} is no file.", hint="Name one; with - the backup goes to standard output, into a pipe."
        )
    number, name = mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            # Not every network's file system has locks: there, what is left of a killed process is not told from this.
            with contextlib.suppress(OSError):
                fcntl.flock(number, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def sweep(folder: Path, names: str) -> None:
    """Deletes what processes that were killed left of files of these names, a pattern."""
    for left in folder.glob(f".{names}.*.partial"):
        with contextlib.suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


@contextmanager
def disk_faults(place: str) -> Iterator[None]:
    """Raises `StoreFull` where there is no space, `ConfigurationError` for what else the system says of `place`."""
    try:
        yield
    except OSError as error:
        raise _fault(error, place) from error


def _fault(error: OSError, place: str) -> TandemError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull(f"No space is left for {place}.", hint="Make room, or name another place.")
    if isinstance(error, FileNotFoundError):
        folder = Path(place).parent
        if not folder.is_dir():
            return ConfigurationError(f"The folder {folder} is not there.", hint="Make it, or name another one.")
        return ConfigurationError(f"{place} is not there.", hint="Check the name.")
    return ConfigurationError(f"{place} cannot be used: {error.strerror}.", hint="May we use it?")


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
