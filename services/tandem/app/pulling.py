"""A version of a model in a folder of this machine: there as a whole, and known for what it is."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from tandem.domain.errors import ConfigurationError, StoreBusy
from tandem.domain.model_version import ModelVersion, digest_of
from tandem.ports.models import ModelSource, Tell

# Hidden: a folder's own version is not told by hidden files.
_MARK, _LOCK = ".tandem-model.json", ".tandem-lock"


def default_folder(data_dir: Path, version: ModelVersion) -> Path:
    """Where a version goes when nothing else is said."""
    return data_dir / "models" / version.name / as_folder(version.version)


def as_folder(version: str) -> str:
    """Its name on a disk."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", version)


async def pull(source: ModelSource, version: ModelVersion, folder: Path, tell: Tell) -> bool:
    """Whether anything was to do. Raises `ConfigurationError` for a folder that holds something else, or cannot be written, and
    `StoreBusy` while another process pulls the same.
    """
    mark = _mark(version)
    try:
        if _holds(folder, mark):
            return False
        # By version: what is left of another one must not be mixed with it.
        partial = folder.with_name(f".{folder.name}.{sha256(mark.encode()).hexdigest()[:12]}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        with _alone(partial, folder):
            await source.pull(version, str(partial), tell)
            (partial / _MARK).write_text(mark, encoding="utf-8")
            partial.replace(folder)
    except OSError as error:
        raise ConfigurationError(
            f"The model cannot be written to {folder}: {error.strerror or error}.",
            hint="Make room, or name another place with --to. What came so far is used by the next try.",
        ) from error
    return True


@contextmanager
def _alone(partial: Path, folder: Path) -> Iterator[None]:
    """Whoever writes the same files at the same time would put half of them into what another calls whole."""
    handle = os.open(partial / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreBusy(
                f"Another process pulls this to {folder} just now.", hint="Wait until it is done."
            ) from error
        yield
        (folder / _LOCK).unlink()
    finally:
        os.close(handle)


def _mark(version: ModelVersion) -> str:
    told = {"source": version.source, "version": version.version, "files": digest_of(version.files)}
    return json.dumps(told, indent=1) + "\n"


def _holds(folder: Path, mark: str) -> bool:
    """False for one that is not there, or is empty."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    found = folder / _MARK
    if found.is_file() and found.read_text(encoding="utf-8", errors="replace") == mark:
        return True
    raise ConfigurationError(
        f"{folder} is there already, and is not this version.",
        hint="Name another place with --to, or take that one away.",
    )
