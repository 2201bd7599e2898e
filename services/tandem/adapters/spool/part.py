"""The spool as a part of a backup: records that sinks have not got, and how far each sink has come."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from tandem.adapters.spool.lock import Lock
from tandem.adapters.spool.looking import look
from tandem.domain.errors import ConfigurationError, InvalidRequest
from tandem.ports.backup import Member, Tell

# Cursors first: what is shipped while segments are read comes again, rather than never.
_FOLDERS = ("cursors", "refused", "segments")
_SUFFIXES = {"cursors": ".json", "refused": ".jsonl", "segments": ".seg"}
_MEMBER = re.compile(r"(cursors|refused|segments)/([A-Za-z0-9._%~-]{1,80})/(\d{6})")
_PIECE = 4_000_000


class SpoolPart:
    """`ports/backup.py`'s `Part` over a spool's folder, whether a process writes to it or not; put back, only where none does."""

    name = "spool"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def about(self) -> Mapping[str, Any] | None:
        """None where there is no spool."""
        return {} if (self._folder / "segments").is_dir() else None

    async def taken(self, tell: Tell, counts: dict[str, int]) -> AsyncIterator[Member]:
        """`segments/NAME/000000` and on: a file, in pieces."""
        try:
            files = await asyncio.to_thread(lambda: list(_files(self._folder)))
        except OSError as error:
            raise _unusable(self._folder, error) from error
        counts["bytes"] = 0
        for file in files:
            number = 0
            async for piece in _pieces(file):
                yield Member(f"{file.parent.name}/{file.name}/{number:06d}", piece)
                number += 1
                counts["bytes"] += len(piece)
                tell("spool", counts["bytes"], 0)

    async def fits(self, about: Mapping[str, Any]) -> None:
        """Records say themselves how they are written."""

    async def held(self) -> str | None:
        """Records that wait. Raises `StoreBusy` while a process writes to it."""
        if not (self._folder / "segments").is_dir():
            return None
        lock = Lock(self._folder)
        await asyncio.to_thread(lock.take)
        lock.release()
        state = await asyncio.to_thread(look, self._folder)
        waiting = max((sink.waiting for sink in state.sinks), default=state.segments)
        return f"the spool has records that wait ({waiting})" if waiting else None

    async def put_back(self, members: AsyncIterator[Member], tell: Tell, about: Mapping[str, Any]) -> None:
        """Raises `StoreBusy` while a process writes to it."""
        del about
        lock, done = Lock(self._folder), 0
        try:
            await asyncio.to_thread(lock.take)
            await asyncio.to_thread(_clear, self._folder)
            async for member in members:
                await asyncio.to_thread(_append, self._folder, member)
                done += len(member.data)
                tell("spool", done, 0)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        finally:
            lock.release()


def _files(folder: Path) -> Iterator[Path]:
    for below in _FOLDERS:
        yield from sorted(file for file in (folder / below).glob(f"*{_SUFFIXES[below]}") if file.is_file())


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    """As much as there was of it at first. Nothing of one that went meanwhile: sinks have what was in it."""
    try:
        opened = await asyncio.to_thread(file.open, "rb")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(file.parent.parent, error) from error
    with opened:
        left = os.fstat(opened.fileno()).st_size
        while left:
            try:
                piece = await asyncio.to_thread(opened.read, min(left, _PIECE))
            except OSError as error:
                raise _unusable(file.parent.parent, error) from error
            if not piece:
                return
            left -= len(piece)
            yield piece


def _unusable(folder: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"The spool's folder {folder} cannot be used: {error.strerror}.",
        hint="Set monitor.spool.dir, and run it as who serves.",
    )


def _clear(folder: Path) -> None:
    for file in _files(folder):
        file.unlink()


def _append(folder: Path, member: Member) -> None:
    found = _MEMBER.fullmatch(member.name)
    if found is None or not found[2].endswith(_SUFFIXES[found[1]]):
        raise InvalidRequest("The backup is damaged: a file of the spool is none.", hint="Take another copy of it.")
    below = folder / found[1]
    below.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (below / found[2]).open("ab") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(member.data)
        file.flush()
        os.fsync(file.fileno())
