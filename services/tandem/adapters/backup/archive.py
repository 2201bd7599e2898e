"""A whole backup: what it says of itself, then its parts, one after the other."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from tandem.adapters.backup.tar import TarReader, TarWriter, damaged
from tandem.domain.errors import ConfigurationError, InvalidRequest
from tandem.ports.backup import BackupHead, BackupTold, Member, Part, Tell

_HEAD = "backup.json"
_FORMAT = "tandem-backup"
_VERSION = 1


async def taken(parts: Sequence[Part], tell: Tell, *, tandem: str, now: float) -> AsyncIterator[bytes]:
    """The bytes of a backup of these, in this order. Each part is as it was at a moment of its own."""
    here = [(part, about) for part in parts if (about := await part.about()) is not None]
    writer = TarWriter(now)
    told = {"format": _FORMAT, "version": _VERSION, "tandem": tandem, "made_at": now}
    yield writer.member(_HEAD, orjson.dumps({**told, "about": {part.name: about for part, about in here}}))
    counts: dict[str, dict[str, int]] = {}
    for part, _ in here:
        counts[part.name] = {}
        async for member in part.taken(tell, counts[part.name]):
            yield writer.member(f"{part.name}/{member.name}", member.data)
    yield writer.end({"counts": counts})


async def read_through(content: AsyncIterator[bytes], tell: Tell) -> BackupTold:
    """Raises `InvalidRequest` for what is no backup or is damaged, `ConfigurationError` for a newer Tandem's."""
    opened = await _Opened.of(content)
    done = 0
    async for member in opened.rest():
        done += len(member.data)
        tell(member.name.partition("/")[0], done, 0)
    return opened.told()


async def restored(parts: Sequence[Part], content: AsyncIterator[bytes], tell: Tell, *, replace: bool) -> BackupTold:
    """Put every part of a backup back. Nothing is touched before all of them fit, and what is held may be replaced.

    A part that the backup does not have stays as it is. Raises as `read_through` does, and what parts raise.
    """
    opened = await _Opened.of(content)
    known = {part.name: part for part in parts}
    about = opened.head.about
    if strange := sorted(set(about) - set(known)):
        raise ConfigurationError(
            f"The backup has parts that cannot be put back here: {', '.join(strange)}.",
            hint="Stop the process that serves, and restore where its data lies.",
        )
    for name in about:
        await known[name].fits(about[name])
    if not replace:
        await _check_empty([known[name] for name in about])
    for name in about:
        if not replace:
            # The parts before may have taken long: what was begun meanwhile is not deleted.
            await _check_empty([known[name]])
        await known[name].put_back(opened.part(name), tell, about[name])
    async for member in opened.rest():
        raise damaged(f"{member.name[:80]!r} is of no part of it")
    return opened.told()


async def _check_empty(parts: Sequence[Part]) -> None:
    held = [told for part in parts if (told := await part.held()) is not None]
    if held:
        raise InvalidRequest(
            f"There is something already: {'; '.join(held)}.", hint="Restore where there is nothing, or `--replace` it."
        )


class _Opened:
    """A backup whose head was read."""

    def __init__(self, head: BackupHead, reader: TarReader, members: AsyncIterator[Member]) -> None:
        self.head = head
        self._reader = reader
        self._members = members
        self._ahead: Member | None = None

    @classmethod
    async def of(cls, content: AsyncIterator[bytes]) -> "_Opened":
        reader = TarReader(content)
        members = reader.members()
        try:
            first = await anext(members, None)
        except InvalidRequest as error:
            raise _foreign() from error
        if first is None or first.name != _HEAD:
            raise _foreign()
        return cls(_head(first.data), reader, members)

    async def part(self, name: str) -> AsyncIterator[Member]:
        """Members of this part; the part before has been read to its end."""
        async for member in self.rest():
            of, _, below = member.name.partition("/")
            if of != name:
                self._ahead = member
                return
            yield Member(below, member.data)

    async def rest(self) -> AsyncIterator[Member]:
        """All that come."""
        while True:
            ahead, self._ahead = self._ahead, None
            member = ahead or await anext(self._members, None)
            if member is None:
                return
            yield member

    def told(self) -> BackupTold:
        """After the last member."""
        counts = self._reader.told.get("counts", {})
        return BackupTold(self.head, counts if isinstance(counts, dict) else {})


def _head(data: bytes) -> BackupHead:
    try:
        told: dict[str, Any] = orjson.loads(data)
        if told["format"] != _FORMAT:
            raise _foreign()
        if told["version"] != _VERSION:
            raise ConfigurationError(
                f"The backup is written in a way that is not known here: Tandem {told.get('tandem')} made it.",
                hint="Restore it with that Tandem, or a later one.",
            )
        about: Mapping[str, Mapping[str, Any]] = {str(name): dict(each) for name, each in told["about"].items()}
        return BackupHead(str(told["tandem"]), float(told["made_at"]), about)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign() from error


def _foreign() -> InvalidRequest:
    return InvalidRequest("This is no backup of Tandem.", hint="`tandem backup FILE` makes one.")
