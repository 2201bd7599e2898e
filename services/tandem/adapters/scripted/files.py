"""Callers' files in memory that a test can look into."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from tandem.domain.batch import Purpose, StoredFile
from tandem.ports.files import MAX_PAGE, FilePage

_PART_BYTES = 1_000
_ABANDONED_S = 86_400.0


@dataclass(slots=True)
class HeldFile:
    """`whole` once its last piece came."""

    file: StoredFile
    data: bytearray
    whole: bool = False


class ScriptedFiles:
    """`ports/files.py` in memory: `held` by id. `fault` is raised by every call while it is set; `on_part` is called before each
    part that is read.
    """

    def __init__(self) -> None:
        self.held: dict[str, HeldFile] = {}
        self.fault: Exception | None = None
        self.on_part: Callable[[StoredFile], None] = lambda _: None

    async def put(self, file: StoredFile, content: AsyncIterator[bytes]) -> StoredFile:
        """See the port."""
        self._check()
        held = self.held[file.id] = HeldFile(file, bytearray())
        try:
            async for piece in content:
                self._check()
                held.data += piece
        except BaseException:
            self.held.pop(file.id, None)
            raise
        held.file, held.whole = replace(file, size=len(held.data)), True
        return held.file

    def write(self, file: StoredFile) -> None:
        """What a batch wrote, whose content is not here."""
        self.held[file.id] = HeldFile(file, bytearray(), whole=True)

    async def file(self, tenant: str, file_id: str) -> StoredFile | None:
        """See the port."""
        self._check()
        held = self.held.get(file_id)
        return held.file if held is not None and held.whole and held.file.tenant == tenant else None

    async def page(
        self, tenant: str, *, caller: str | None, purpose: Purpose | None, limit: int, after: str | None = None
    ) -> FilePage:
        """See the port."""
        last = None if after is None else await self.file(tenant, after)
        found = [
            held.file
            for held in self.held.values()
            if held.whole
            and held.file.tenant == tenant
            and caller in (None, held.file.caller)
            and purpose in (None, held.file.purpose)
            and (after is None or (last is not None and _place(held.file) < _place(last)))
        ]
        found.sort(key=_place, reverse=True)
        most = min(limit, MAX_PAGE)
        return FilePage(tuple(found[:most]), len(found) > most)

    async def content(self, file: StoredFile) -> AsyncIterator[bytes]:
        """See the port."""
        start = 0
        while True:
            self._check()
            self.on_part(file)
            held = self.held.get(file.id)
            piece = b"" if held is None else bytes(held.data[start : start + _PART_BYTES])
            if not piece:
                return
            yield piece
            start += len(piece)

    async def size(self, tenant: str) -> int:
        """See the port."""
        self._check()
        files = (held.file for held in self.held.values() if held.file.tenant == tenant)
        return sum(file.size for file in files if file.batch_id is None)

    async def delete(self, tenant: str, file_id: str) -> bool:
        """See the port."""
        self._check()
        held = self.held.get(file_id)
        here = held is not None and held.file.tenant == tenant
        if here:
            del self.held[file_id]
        return here

    async def tenants(self) -> tuple[str, ...]:
        """See the port."""
        self._check()
        return tuple(sorted({held.file.tenant for held in self.held.values()}))

    async def forget(
        self, tenant: str, *, user: str | None = None, before: float | None = None, expired_by: float | None = None
    ) -> int:
        """See the port."""
        self._check()
        gone = [
            held.file.id
            for held in self.held.values()
            if held.file.tenant == tenant
            and held.file.batch_id is None
            and (user is None or held.file.user == user)
            and (before is None or held.file.created_at < before)
            and (expired_by is None or _expired(held, expired_by))
        ]
        for file_id in gone:
            del self.held[file_id]
        return len(gone)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault


def _place(file: StoredFile) -> tuple[float, str]:
    return file.created_at, file.id


def _expired(held: HeldFile, at: float) -> bool:
    return held.file.expires_at <= at or (not held.whole and held.file.created_at < at - _ABANDONED_S)
