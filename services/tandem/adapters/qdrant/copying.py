"""The part of the store that backups are made from and put back into."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence

from tandem.adapters.qdrant.conditions import FIRST_CHUNKS, OneOf, Where, of_document
from tandem.adapters.qdrant.engine import Engine
from tandem.adapters.qdrant.notes import NOTES
from tandem.adapters.qdrant.payload import TENANT, NewPoint, Payload, chunk_of
from tandem.adapters.qdrant.shelf import Shelf
from tandem.domain.document import Recipe
from tandem.domain.lineage import Lineage, Version, base_of
from tandem.ports.copying import StoredPoint
from tandem.ports.vectors import EmbeddedChunk

_Document = tuple[str, str]
# Points that are held at a time, but for a longer document.
_TOGETHER = 512
_AT_ONCE = 256
# A document that is being written is whole soon after.
_LOOKS = 5
_PAUSE_S = 0.1


class Copying:
    """Each method is the port's."""

    _engine: Engine
    _shelf: Shelf

    async def every_version(self) -> tuple[Version, ...]:
        """See the port."""
        bases = sorted({base_of(name) for name in await self._engine.names()})
        return tuple([version for base in bases for version in await self._shelf.versions(base)])

    async def points(self, version: str) -> AsyncIterator[tuple[StoredPoint, ...]]:
        """See the port."""
        async for notes in self._pages(version, NOTES, vectors=False):
            yield tuple(notes)
        only = (TENANT, "document_id", "chunks")
        async for firsts in self._pages(version, FIRST_CHUNKS, only=only, vectors=False):
            for some in _together(firsts):
                yield tuple(await self._documents(version, some))

    async def _documents(self, version: str, wanted: Sequence[_Document]) -> list[StoredPoint]:
        """Those of the wanted that are still there. What a crash left without a record is left out."""
        where = Where((OneOf("document_id", tuple(sorted({document_id for _, document_id in wanted}))),))
        found: dict[_Document, list[StoredPoint]] = defaultdict(list)
        async for page in self._pages(version, where, vectors=True):
            for point in page:
                found[point.payload[TENANT], point.payload["document_id"]].append(point)
        copied: list[StoredPoint] = []
        for document in wanted:
            points = found[document]
            for _ in range(_LOOKS):
                if _whole(points):
                    break
                await asyncio.sleep(_PAUSE_S)
                points = [point async for page in self._pages(version, of_document(*document)) for point in page]
            # Some were written to for good, as a crash in the middle leaves them: their next ingestion completes them.
            if any(point.payload["ordinal"] == 0 for point in points):
                copied += points
        return copied

    async def _pages(
        self, version: str, where: Where, *, only: Sequence[str] = (), vectors: bool = True
    ) -> AsyncIterator[list[StoredPoint]]:
        after: str | None = None
        while True:
            page, after = await self._engine.points(version, where, _TOGETHER, after, only=only, vectors=vectors)
            if page:
                yield page
            if after is None:
                return

    async def put_version(self, version: str, recipe: Recipe, lineage: Lineage) -> None:
        """See the port."""
        await self._engine.create(version, recipe, lineage)

    async def put_points(self, version: str, points: Sequence[StoredPoint]) -> None:
        """See the port."""
        for start in range(0, len(points), _AT_ONCE):
            await self._engine.upsert(version, [_new(point) for point in points[start : start + _AT_ONCE]])

    async def discard(self, version: str) -> None:
        """See the port."""
        base = base_of(version)
        if (await self._engine.serving(fresh=True)).get(base) == version:
            await self._engine.withdraw(base)
        await self._engine.drop(version)


def _together(firsts: Sequence[StoredPoint]) -> Iterator[list[_Document]]:
    some: list[_Document] = []
    size = 0
    for first in firsts:
        chunks = int(first.payload["chunks"])
        if some and size + chunks > _TOGETHER:
            yield some
            some, size = [], 0
        some.append((first.payload[TENANT], first.payload["document_id"]))
        size += chunks
    if some:
        yield some


def _whole(points: Sequence[StoredPoint]) -> bool:
    """False while it is being written: chunks are missing, or are of two versions."""
    if not points:
        # Deleted meanwhile.
        return True
    ordinals = sorted(point.payload["ordinal"] for point in points)
    marks = {_mark(point.payload) for point in points}
    return len(marks) == 1 and ordinals == list(range(points[0].payload["chunks"]))


def _mark(payload: Payload) -> tuple[object, ...]:
    return payload["fingerprint"], payload["ingested_at"], payload["chunks"], tuple(payload.get("acl") or ())


def _new(point: StoredPoint) -> NewPoint:
    if point.dense is None or point.sparse is None:
        return NewPoint(point.id, None, dict(point.payload))
    return NewPoint(point.id, EmbeddedChunk(chunk_of(point.payload), point.dense, point.sparse), dict(point.payload))
