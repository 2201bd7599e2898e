"""A note beside the embedded stores that says which process serves them, so that commands can go through it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

_OWNERS = ("all", "retriever")


@contextlib.contextmanager
def serving_note(data_dir: Path, target: str, url: str) -> Iterator[None]:
    """The note lies there, locked, while the context is open. The lock, not the file, tells that its writer lives."""
    data_dir.mkdir(parents=True, exist_ok=True)
    note = _note(data_dir, target)
    with note.open("w") as file:
        # A second process of this target keeps no note: the first one's stands.
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(json.dumps({"url": url, "pid": os.getpid()}))
        file.flush()
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


def running_on(data_dir: Path) -> str | None:
    """URL of the living process that owns the stores under `data_dir`, if any."""
    for target in _OWNERS:
        with contextlib.suppress(FileNotFoundError), _note(data_dir, target).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return str(json.load(file)["url"])
    return None


def _note(data_dir: Path, target: str) -> Path:
    return data_dir / f"serving-{target}.json"
