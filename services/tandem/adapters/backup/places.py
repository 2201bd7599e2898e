"""Where backups lie: a folder, or what is below a prefix of a bucket; each has a name there."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from tandem.adapters.backup.bucket import Bucket
from tandem.adapters.backup.file import disk_faults, sweep, whole_file
from tandem.domain.errors import ConfigurationError

_DATED = re.compile(r"tandem-\d{8}T\d{6}Z\.backup")
_URL = re.compile(r"[a-z][a-z0-9+]*://")


class Place(Protocol):
    """Raises `ConfigurationError`, `PermissionDenied`, `StoreFull` and `UpstreamUnavailable`."""

    def names(self) -> list[str]:
        """Of the files right below it."""
        ...

    def full(self, name: str) -> str:
        """How people write it."""
        ...

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """There under this name, in place of what was, when the context is left without an error; else as it was."""
        ...

    def reading(self, name: str) -> AbstractContextManager[BinaryIO]:
        """From its beginning; `seek(0)` leads there again, and raises when it is another one by then."""
        ...

    def delete(self, name: str) -> None:
        """Gone, also when it was already."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """Of this machine."""

    root: Path

    def names(self) -> list[str]:
        """See `Place`."""
        with disk_faults(str(self.root)):
            return [each.name for each in self.root.iterdir() if each.is_file()]

    def full(self, name: str) -> str:
        """See `Place`."""
        return str(self.root / name)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """See `Place`."""
        with disk_faults(self.full(name)):
            if _DATED.fullmatch(name):
                sweep(self.root, "tandem-*.backup")
            with whole_file(self.root / name) as file:
                yield file

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """See `Place`."""
        with disk_faults(self.full(name)), (self.root / name).open("rb") as file:
            yield file

    def delete(self, name: str) -> None:
        """See `Place`."""
        with disk_faults(self.full(name)):
            (self.root / name).unlink(missing_ok=True)


def place_of(named: str) -> tuple[Place, str]:
    """The place and the name in it, "" for a folder: `s3://bucket/prefix/` and what ends like it, and folders that are there."""
    if not _URL.match(named):
        path = Path(named)
        return (Folder(path), "") if named.endswith("/") or path.is_dir() else (Folder(path.parent), path.name)
    scheme, _, below = named.partition("://")
    bucket, _, path_there = below.partition("/")
    if not bucket:
        raise ConfigurationError(f"{named} names no bucket.", hint="Write s3://BUCKET/PREFIX/NAME.")
    prefix, _, name = path_there.rpartition("/")
    return Bucket(f"{scheme}://{bucket}/{prefix}".rstrip("/")), name


def dated(now: float) -> str:
    """The name of a backup that is made now, in seconds since 1970; later ones stand behind it."""
    return f"tandem-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}.backup"


def newest(place: Place) -> str:
    """Of those with a time in their names. Raises `ConfigurationError` where there is none."""
    found = _all_dated(place)
    if not found:
        raise ConfigurationError(
            f"There is no backup in {place.full('')}.",
            hint="Name one; `tandem backup FOLDER/` makes tandem-TIME.backup.",
        )
    return found[-1]


def prune(place: Place, keep: int) -> list[str]:
    """Deletes all but the newest of those with a time in their names, and tells which."""
    old = _all_dated(place)[:-keep]
    for name in old:
        place.delete(name)
    return old


def _all_dated(place: Place) -> list[str]:
    return sorted(name for name in place.names() if _DATED.fullmatch(name))
