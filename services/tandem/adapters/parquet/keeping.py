"""What is kept of the files, and what goes: by age, and by user."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tandem.adapters.parquet.aside import aside
from tandem.adapters.parquet.partitions import Partition, partition_of
from tandem.adapters.parquet.places import Place
from tandem.adapters.parquet.tables import rows_of, without


@dataclass(frozen=True, slots=True)
class ParquetKeeping:
    """Every method may raise `UpstreamUnavailable`; called again, it goes on with what is left."""

    place: Place
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    async def tenants(self) -> tuple[str, ...]:
        """Those that have files."""
        return await aside(lambda: tuple(sorted({whose.tenant for _, whose in self._files(None)})), self._turn)

    async def drop(self, tenant: str, before: date) -> int:
        """Delete the tenant's days before that one (UTC); how many files those were."""
        return await aside(lambda: self._drop(tenant, before), self._turn)

    async def forget(self, users: Sequence[str], tenant: str | None = None) -> int:
        """Write every file anew that has rows of these users (of one tenant, or of all); how many rows those were.

        `users` are names as records have them: `user_id`.
        """
        return await aside(lambda: self._forget(users, tenant), self._turn)

    async def export(self, users: Sequence[str], tenant: str | None = None) -> list[dict[str, Any]]:
        """These users' rows, with `tenant` and `day`, as plain values."""
        return await aside(lambda: self._export(users, tenant), self._turn)

    def _drop(self, tenant: str, before: date) -> int:
        old = [path for path, whose in self._files(tenant) if whose.day < before]
        for path in old:
            self.place.delete(path)
        return len(old)

    def _forget(self, users: Sequence[str], tenant: str | None) -> int:
        gone = 0
        for path, _ in self._files(tenant):
            table = self.place.get(path)
            if table is None:
                continue
            left, theirs = without(table, users)
            if left is None:
                self.place.delete(path)
            elif theirs:
                self.place.put(path, left)
            gone += theirs
        return gone

    def _export(self, users: Sequence[str], tenant: str | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for path, whose in self._files(tenant):
            table = self.place.get(path)
            rows = [] if table is None else rows_of(table, users)
            found += [{"tenant": whose.tenant, "day": whose.day.isoformat(), **row} for row in rows]
        return found

    def _files(self, tenant: str | None) -> Iterator[tuple[str, Partition]]:
        for path in self.place.files():
            whose = partition_of(path)
            if whose is not None and tenant in {None, whose.tenant}:
                yield path, whose
