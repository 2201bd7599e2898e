"""The part of the `Vectors` port that synchronisations live by: marks, vectors made before, failures, positions."""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from tandem.adapters.qdrant.conditions import OneOf, Where, of_document, seen_first_chunks
from tandem.adapters.qdrant.engine import Engine
from tandem.adapters.qdrant.notes import (
    POSITIONS,
    failure_id,
    failure_in,
    failure_note,
    failure_of_document,
    failures_of,
    owned_position,
    position_id,
    position_note,
    positions_in,
)
from tandem.adapters.qdrant.payload import NewPoint, chunk_of
from tandem.domain.syncing import DocumentMark, Failure, FailurePage, StreamPosition
from tandem.domain.viewer import Viewer
from tandem.ports.vectors import EmbeddedChunk

_MARK = ("document_id", "source", "chunks", "origin", "source_version")


class Remembering:
    """Each method is the port's."""

    _engine: Engine

    @abstractmethod
    async def resolve(self, collection: str) -> str:
        """The collection as the engine knows it. Raises `UnknownCollection`."""

    async def marks(self, collection: str, viewer: Viewer) -> list[DocumentMark]:
        """See the port. One pass over the records, of which only these fields leave the engine."""
        found = await self._engine.scroll(await self.resolve(collection), seen_first_chunks(viewer), only=_MARK)
        return [
            DocumentMark(
                payload["document_id"],
                payload["source"],
                payload["chunks"],
                payload.get("origin"),
                payload.get("source_version"),
            )
            for payload in found
        ]

    async def embedded(self, collection: str, tenant: str, document_id: str) -> tuple[EmbeddedChunk, ...]:
        """See the port."""
        found = await self._engine.embedded(await self.resolve(collection), of_document(tenant, document_id))
        chunks = [EmbeddedChunk(chunk_of(payload), dense, sparse) for payload, dense, sparse in found]
        return tuple(sorted(chunks, key=lambda each: each.chunk.ordinal))

    async def same_content(self, collection: str, viewer: Viewer, content: str) -> str | None:
        """See the port."""
        where = Where((*seen_first_chunks(viewer).must, OneOf("content", (content,))))
        found = await self._engine.scroll(await self.resolve(collection), where, only=("document_id",))
        return min((str(payload["document_id"]) for payload in found), default=None)

    async def note_failure(
        self, collection: str, tenant: str, failure: Failure, position: StreamPosition | None = None
    ) -> None:
        """See the port."""
        name = await self.resolve(collection)
        before = await self._engine.retrieve(name, [failure_id(tenant, failure.document_id)])
        for known in map(failure_in, before):
            if known.acl == failure.acl:
                failure = replace(failure, attempts=known.attempts + 1, place=failure.place or known.place)
        await self._upserted(name, [failure_note(tenant, failure)], position_notes(tenant, position))

    async def _upserted(self, name: str, points: Sequence[NewPoint], notes: Sequence[NewPoint]) -> None:
        """Both at once, or else the notes last."""
        if self._engine.whole_batches:
            await self._engine.upsert(name, [*points, *notes])
            return
        await self._engine.upsert(name, points)
        if notes:
            await self._engine.upsert(name, notes)

    async def failures(self, collection: str, viewer: Viewer, *, limit: int, after: str | None = None) -> FailurePage:
        """See the port."""
        found = await self._engine.scroll(await self.resolve(collection), failures_of(viewer.tenant))
        seen = [failure for failure in map(failure_in, found) if viewer.sees(failure.acl)]
        every = sorted(seen, key=lambda failure: failure.document_id)
        start = 0 if after is None else bisect_right([failure.document_id for failure in every], after)
        page = every[start : start + limit]
        return FailurePage(tuple(page), page[-1].document_id if start + limit < len(every) else None)

    async def forget_failure(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> bool:
        """See the port."""
        name = await self.resolve(collection)
        found = await self._engine.retrieve(name, [failure_id(tenant, document_id)])
        viewer = Viewer(tenant, groups)
        if not any(viewer.sees(failure_in(payload).acl) for payload in found):
            return False
        await self._engine.delete(name, failure_of_document(tenant, document_id))
        return True

    async def positions(self, collection: str, tenant: str, stream: str, partitions: Sequence[int]) -> dict[int, int]:
        """See the port."""
        ids = [position_id(tenant, stream, partition) for partition in partitions]
        return positions_in(await self._engine.retrieve(await self.resolve(collection), ids))

    async def all_positions(self, collection: str) -> list[tuple[str, StreamPosition]]:
        """See the port."""
        return [owned_position(each) for each in await self._engine.scroll(await self.resolve(collection), POSITIONS)]

    async def note_position(self, collection: str, tenant: str, position: StreamPosition) -> None:
        """See the port."""
        await self._engine.upsert(await self.resolve(collection), position_notes(tenant, position))


def position_notes(tenant: str, position: StreamPosition | None) -> list[NewPoint]:
    """The point to be written along, where there is a position."""
    return [] if position is None else [position_note(tenant, position)]
