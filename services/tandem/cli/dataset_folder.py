"""Versions of a data set in a folder: each whole or not there."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import orjson
import typer

from tandem.domain.errors import ConfigurationError
from tandem.pipeline.feedback.dataset import DataSet

MANIFEST = "dataset.json"
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62})")


@dataclass(frozen=True, slots=True)
class Put:
    """Where a version is; not `new`: it was there already."""

    path: Path
    new: bool


def checked_name(name: str) -> None:
    """Raises `typer.BadParameter` for one that is none."""
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("use lower-case letters, digits, dots, - and _", param_hint="NAME")


def put(made: DataSet, folder: Path, name: str, made_by: str, filters: Mapping[str, Any]) -> Put:
    """The next version, or the last one when nothing in its files would be another. Raises `ConfigurationError`."""
    try:
        last = max(_versions(folder, name), default=0)
        if last and _digest(folder / f"{name}@{last}") == made.digest:
            return Put(folder / f"{name}@{last}", new=False)
        path = folder / f"{name}@{last + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(mkdtemp(prefix=f".{name}-", dir=folder))
        try:
            for each in made.files:
                _write(beside / each.name, each.content)
            _write(beside / MANIFEST, made.manifest(path.name, made_by, filters))
            beside.chmod(0o755)
            beside.replace(path)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise ConfigurationError(
            f"The data set cannot be written to {folder}: {error.strerror}.", hint="Name a folder that we may write to."
        ) from error
    return Put(path, new=True)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _versions(folder: Path, name: str) -> list[int]:
    found = (path.name.rpartition("@") for path in folder.glob(f"{name}@*") if path.is_dir())
    return [int(number) for base, _, number in found if base == name and number.isdecimal()]


def _digest(path: Path) -> str | None:
    try:
        told = orjson.loads((path / MANIFEST).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return str(told["digest"]) if isinstance(told, dict) and "digest" in told else None
