"""Where callers' files are kept."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.batch import Purpose, StoredFile

MAX_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class FilePage:
    """Newest first; `more` stand behind the last of them."""

    files: tuple[StoredFile, ...]
    more: bool = False


class Files(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now.

    No call with a tenant looks beyond it.
    """

    async def put(self, file: StoredFile, content: AsyncIterator[bytes]) -> StoredFile:
        """With its size. There is none until all of it is there; what `content` raises passes through, and leaves nothing."""
        ...

    async def file(self, tenant: str, file_id: str) -> StoredFile | None:
        """One look-up by both."""
        ...

    async def page(
        self, tenant: str, *, caller: str | None, purpose: Purpose | None, limit: int, after: str | None = None
    ) -> FilePage:
        """Of one caller, with None of all. At most `limit`, up to `MAX_PAGE`, behind the file `after`: none behind one that
        is not there.
        """
        ...

    def content(self, file: StoredFile) -> AsyncIterator[bytes]:
        """In parts; of one that is deleted meanwhile, no more. Nothing of what a batch wrote: its lines have that."""
        ...

    async def size(self, tenant: str) -> int:
        """Of all that its callers uploaded, in bytes."""
        ...

    async def delete(self, tenant: str, file_id: str) -> bool:
        """False when there is none."""
        ...

    async def tenants(self) -> tuple[str, ...]:
        """Those that have files, in order."""
        ...

    async def forget(
        self, tenant: str, *, user: str | None = None, before: float | None = None, expired_by: float | None = None
    ) -> int:
        """Delete uploads: of a user, of before an instant, those that expired by then: what all of these apply to. With none,
        all of the tenant's. And what was begun a day before the instants and never came to its end.
        """
        ...
