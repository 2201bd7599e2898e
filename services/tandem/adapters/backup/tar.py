"""Members of a backup in a tar, so that any tool lists and unpacks it; a checksum over all of them stands last.

Python's own module writes and reads files that block; what comes and goes over a socket is put together here, from its headers.
"""

import hashlib
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import orjson

from tandem.domain.errors import InvalidRequest
from tandem.ports.backup import Member

END = "end.json"
_BLOCK = tarfile.BLOCKSIZE
# Nothing that is written here comes near: what claims to be larger is no backup.
_LONGEST = 256_000_000


class TarWriter:
    """Bytes of members, one after the other."""

    def __init__(self, made_at: float) -> None:
        self._hash = hashlib.sha256()
        self._made_at = int(made_at)
        self._members = 0

    def member(self, name: str, data: bytes) -> bytes:
        """Its header and its data."""
        piece = self._piece(name, data)
        self._hash.update(piece)
        self._members += 1
        return piece

    def end(self, told: dict[str, Any]) -> bytes:
        """Without it a reader finds the backup cut off."""
        check = {**told, "members": self._members, "sha256": self._hash.hexdigest()}
        return self._piece(END, orjson.dumps(check)) + bytes(2 * _BLOCK)

    def _piece(self, name: str, data: bytes) -> bytes:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(data), 0o600, self._made_at
        return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % _BLOCK)


class TarReader:
    """What a stream holds. `told` is what stands at the end, once `members` is over."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self._ahead = bytearray()
        self._hash = hashlib.sha256()
        self._members = 0
        self.told: dict[str, Any] = {}

    async def members(self) -> AsyncIterator[Member]:
        """In order. Only when it ends without raising `InvalidRequest` were they those that were written."""
        while True:
            head = await self._taken(_BLOCK)
            info = _info(head)
            data = await self._taken(info.size + -info.size % _BLOCK)
            if info.name == END:
                self._check(data[: info.size])
                await self._over()
                return
            self._hash.update(head)
            self._hash.update(data)
            self._members += 1
            yield Member(info.name, data[: info.size])

    def _check(self, data: bytes) -> None:
        try:
            told = orjson.loads(data)
        except ValueError as error:
            raise damaged("its end cannot be read") from error
        if not isinstance(told, dict):
            raise damaged("its end cannot be read")
        if (told.get("members"), told.get("sha256")) != (self._members, self._hash.hexdigest()):
            raise damaged("its checksum is another one")
        self.told = told

    async def _over(self) -> None:
        rest = bytes(self._ahead)
        while not any(rest):
            piece = await anext(self._content, None)
            if piece is None:
                return
            rest = piece
        raise damaged("something follows its end")

    async def _taken(self, size: int) -> bytes:
        while len(self._ahead) < size:
            piece = await anext(self._content, None)
            if piece is None:
                raise damaged("it is cut off")
            self._ahead += piece
        taken = bytes(self._ahead[:size])
        del self._ahead[:size]
        return taken


def _info(head: bytes) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(head, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise damaged("a header cannot be read") from error
    if not info.isreg() or not 0 <= info.size <= _LONGEST:
        raise damaged(f"{info.name[:80]!r} has no business in it")
    return info


def damaged(reason: str) -> InvalidRequest:
    """What is told of a backup that is not as it was written."""
    return InvalidRequest(f"The backup is damaged: {reason}.", hint="Take another copy of it.")
