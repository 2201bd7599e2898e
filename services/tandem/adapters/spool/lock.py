"""One process writes to a spool."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from tandem.domain.errors import ConfigurationError, StoreBusy

_HINT = "Stop it, or give this process a folder of its own: monitor.spool.dir."


class Lock:
    """The folder is this process's until `release`, or its end, however it ends: the kernel lets go of the lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def take(self) -> None:
        """Once more, it does nothing. Raises `StoreBusy`, `ConfigurationError`, and `OSError` where no file can be made."""
        if self._handle is not None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.EEXIST):
                raise ConfigurationError(
                    f"The monitor's spool {self._folder} is no folder.", hint="Set monitor.spool.dir."
                ) from error
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StoreBusy(
                f"The process {pid} writes to the monitor's spool in {self._folder} already.", hint=_HINT
            ) from error
        self._handle = handle
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Another process may have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
