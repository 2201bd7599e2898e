"""Small files of the data folder as a part of a backup."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem.adapters.backup.file import disk_faults, whole_file
from tandem.adapters.backup.tar import damaged
from tandem.domain.errors import ConfigurationError
from tandem.ports.backup import Member, Tell


class FilesPart:
    """`ports/backup.py`'s `Part` of these files in a folder, as far as they are there."""

    name = "files"

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = tuple(names)

    async def about(self) -> Mapping[str, Any] | None:
        """None where there is none of them."""
        return {} if any((self._folder / name).is_file() for name in self._names) else None

    async def taken(self, tell: Tell, counts: dict[str, int]) -> AsyncIterator[Member]:
        """One member each."""
        for name in self._names:
            path = self._folder / name
            with contextlib.suppress(FileNotFoundError):
                data = await asyncio.to_thread(_read, path)
                counts[name] = len(data)
                tell(name, len(data), len(data))
                yield Member(name, data)

    async def fits(self, about: Mapping[str, Any]) -> None:
        """Any of them do."""

    async def held(self) -> str | None:
        """Nothing by itself: each belongs to one of the other parts."""
        return None

    async def put_back(self, members: AsyncIterator[Member], tell: Tell, about: Mapping[str, Any]) -> None:
        """Each whole, or as it was."""
        del about
        async for member in members:
            if member.name not in self._names:
                raise damaged(f"{member.name[:80]!r} is no file of it")
            await asyncio.to_thread(_write, self._folder / member.name, member.data)
            tell(member.name, len(member.data), len(member.data))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}.", hint="Run it as who serves, where the data lies."
        ) from error


def _write(path: Path, data: bytes) -> None:
    with disk_faults(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(data)
