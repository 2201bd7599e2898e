"""The `Vectors` port over either engine: the order of writes, the tenant in every query, the listing of documents."""

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from tandem.adapters.qdrant.conditions import (
    CHUNKS,
    EVERYTHING,
    FIRST_CHUNKS,
    first_chunk,
    left_over,
    of_document,
    of_tenant,
    seen_by,
    seen_first_chunks,
    seen_of_document,
)
from tandem.adapters.qdrant.copying import Copying
from tandem.adapters.qdrant.engine import Engine
from tandem.adapters.qdrant.knowing import Knowing
from tandem.adapters.qdrant.naming import unknown
from tandem.adapters.qdrant.notes import of_owner
from tandem.adapters.qdrant.payload import (
    TENANT,
    chunk_of,
    in_order,
    new_point,
    point_id,
    record_of,
    record_payload,
    shown,
)
from tandem.adapters.qdrant.ranking import ranked
from tandem.adapters.qdrant.remembering import Remembering, position_notes
from tandem.adapters.qdrant.shelf import Shelf
from tandem.adapters.qdrant.turns import Turns
from tandem.domain.document import Chunk, CollectionInfo, DocumentPage, DocumentRecord, Recipe, StoredDocument
from tandem.domain.errors import StoreFull
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.lineage import UNTOLD, Counts, Lineage, Version, base_of, is_version
from tandem.domain.syncing import StreamPosition
from tandem.domain.viewer import Viewer, overseer
from tandem.ports.vectors import EmbeddedChunk, SearchHits, VectorQuery

# Searches at a time, and how long one waits for its turn, unless told otherwise.
_AT_A_TIME = 32
_PATIENCE_S = 10.0
# Points written at a time: some 30 ms of the embedded engine.
_BATCH = 64


class QdrantVectors(Remembering, Knowing, Copying):
    """Each method is the port's."""

    def __init__(self, engine: Engine, turns: Turns | None = None) -> None:
        self._engine = engine
        self._shelf = Shelf(engine)
        self._turns = turns or Turns(_AT_A_TIME, _PATIENCE_S)
        self._writing: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()
        self._changes: Counter[str] = Counter()

    def changes(self, version: str) -> int:
        """See the port."""
        return self._changes[version]

    async def resolve(self, name: str) -> str:
        """See the port."""
        return await self._shelf.resolve(name)

    async def recipe(self, version: str) -> Recipe:
        """See the port."""
        return await self._engine.recipe(await self.resolve(version), fresh=False)

    async def ensure_collection(self, name: str, recipe: Recipe, lineage: Lineage = UNTOLD) -> str:
        """See the port; raises `InvalidRequest` for a name that cannot be one."""
        return await self._shelf.ensure(name, recipe, lineage)

    async def versions(self, name: str) -> tuple[Version, ...]:
        """See the port."""
        return await self._shelf.versions(name)

    async def create_version(self, name: str, recipe: Recipe, lineage: Lineage) -> str:
        """See the port."""
        return await self._shelf.create(name, recipe, lineage)

    async def serve(self, version: str, *, instead_of: str | None) -> None:
        """See the port."""
        await self._shelf.serve(version, instead_of)

    async def change_lineage(self, version: str, change: Callable[[Lineage], Lineage]) -> Lineage:
        """See the port."""
        return await self._shelf.change_lineage(version, change)

    async def drop_version(self, version: str) -> None:
        """See the port."""
        await self._shelf.drop(version)

    async def tenants(self, name: str) -> list[str]:
        """See the port."""
        return sorted(await self._engine.values(await self.resolve(name), TENANT, EVERYTHING))

    async def counts(self, version: str) -> Counts:
        """See the port."""
        name = await self.resolve(version)
        return Counts(await self._engine.count(name, FIRST_CHUNKS), await self._engine.count(name, CHUNKS))

    async def collections(self, tenant: str, *, groups: tuple[str, ...] = ()) -> list[CollectionInfo]:
        """See the port."""
        # Those from before there were versions get theirs when they are listed.
        await self._engine.names()
        serving = await self._engine.serving(fresh=True)
        return [await self._info(base, serving[base], Viewer(tenant, groups)) for base in sorted(serving)]

    async def _info(self, base: str, version: str, viewer: Viewer) -> CollectionInfo:
        return CollectionInfo(
            name=base,
            documents=await self._engine.count(version, seen_first_chunks(viewer)),
            chunks=await self._engine.count(version, seen_by(viewer)),
            recipe=await self._engine.recipe(version),
            version=version,
        )

    async def drop_collection(self, name: str, tenant: str) -> None:
        """See the port."""
        await self.resolve(name)
        names = [each for each in await self._engine.names() if each == name or base_of(each) == name]
        if not names:
            raise unknown(name)
        for version in names:
            await self._engine.delete(version, of_tenant(tenant))
            await self._engine.delete(version, of_owner(tenant))
            self._changes[version] += 1
        if not any([await self._engine.count(version, EVERYTHING) for version in names]):
            await (self._shelf.drop(name) if is_version(name) else self._shelf.drop_all(name))

    async def replace_document(
        self,
        collection: str,
        tenant: str,
        record: DocumentRecord,
        chunks: Sequence[EmbeddedChunk],
        position: StreamPosition | None = None,
    ) -> None:
        """The first chunk goes last: it carries the record, so until then the old fingerprint stands (or none).

        The position is written in one entry with it: the event has taken effect, or it has not. Where an engine knows no
        such entry the position follows: the same event may come again then, which changes nothing.
        """
        points = [new_point(tenant, record, chunk) for chunk in sorted(chunks, key=lambda each: each.chunk.ordinal)]
        collection = await self.resolve(collection)
        async with self._alone(collection, tenant, record.id):
            try:
                at_once = self._engine.whole_batches and len(points) <= _BATCH
                last = points if at_once else points[:1]
                for start in range(len(last), len(points), _BATCH):
                    await self._engine.upsert(collection, points[start : start + _BATCH])
                # Looked for first: a deletion costs as much as writing the document.
                behind = left_over(tenant, record.id, len(points))
                if await self._engine.count(collection, behind):
                    await self._engine.delete(collection, behind)
                await self._upserted(collection, last, position_notes(tenant, position))
                await self.forget_failure(collection, tenant, record.id, groups=(EVERY_GROUP,))
            except StoreFull:
                await self._take_back(collection, tenant, record.id)
                raise

    async def _take_back(self, collection: str, tenant: str, document_id: str) -> None:
        """Half of a new document is worth nothing; half of a new version is completed when it is ingested again."""
        if await self._record(collection, overseer(tenant), document_id) is None:
            await self._engine.delete(collection, of_document(tenant, document_id))

    async def update_record(self, collection: str, tenant: str, record: DocumentRecord) -> bool:
        """See the port. The first chunk goes last, as it carries the record."""
        collection = await self.resolve(collection)
        async with self._alone(collection, tenant, record.id):
            if await self._record(collection, overseer(tenant), record.id) is None:
                return False
            payload = record_payload(record)
            await self._engine.set_payload(collection, left_over(tenant, record.id, 1), payload)
            await self._engine.set_payload(collection, first_chunk(tenant, record.id), payload)
            return True

    async def delete_document(
        self,
        collection: str,
        tenant: str,
        document_id: str,
        position: StreamPosition | None = None,
        *,
        groups: tuple[str, ...] = (),
    ) -> bool:
        """See the port; what a crash left of a document without a record is deleted as well.

        The position comes after: deleting once more does no harm.
        """
        collection = await self.resolve(collection)
        async with self._alone(collection, tenant, document_id):
            viewer = Viewer(tenant, groups)
            where = seen_of_document(viewer, document_id)
            known = False
            if await self._engine.count(collection, where):
                known = await self._record(collection, viewer, document_id) is not None
                await self._engine.delete(collection, where)
            elif await self._engine.count(collection, of_document(tenant, document_id)):
                return False
            await self.forget_failure(collection, tenant, document_id, groups=groups)
            if position is not None:
                await self.note_position(collection, tenant, position)
            return known

    @asynccontextmanager
    async def _alone(self, collection: str, tenant: str, document_id: str) -> AsyncIterator[None]:
        """Two versions of one document are never written at once; whatever came of it, the collection counts as changed."""
        async with self._writing.setdefault((collection, tenant, document_id), asyncio.Lock()):
            try:
                yield
            finally:
                self._changes[collection] += 1

    async def record(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> DocumentRecord | None:
        """See the port."""
        return await self._record(await self.resolve(collection), Viewer(tenant, groups), document_id)

    async def _record(self, version: str, viewer: Viewer, document_id: str) -> DocumentRecord | None:
        found = await self._engine.retrieve(version, [point_id(viewer.tenant, document_id, 0)])
        return next((record_of(payload) for payload in found if shown(payload, viewer)), None)

    async def document(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> StoredDocument | None:
        """See the port."""
        collection = await self.resolve(collection)
        payloads = await self._engine.scroll(collection, seen_of_document(Viewer(tenant, groups), document_id))
        first = next((payload for payload in payloads if payload["ordinal"] == 0), None)
        if first is None:
            return None
        return StoredDocument(record_of(first), tuple(in_order(payloads)))

    async def documents(
        self, collection: str, tenant: str, *, limit: int, after: str | None = None, groups: tuple[str, ...] = ()
    ) -> DocumentPage:
        """See the port. Qdrant cannot order by text, so ids are listed (an index holds them) and ordered here."""
        collection = await self.resolve(collection)
        viewer = Viewer(tenant, groups)
        ids = sorted(await self._engine.values(collection, "document_id", seen_first_chunks(viewer)))
        start = 0 if after is None else bisect_right(ids, after)
        page = ids[start : start + limit]
        found = await self._engine.retrieve(collection, [point_id(tenant, each, 0) for each in page])
        records = sorted(
            (record_of(payload) for payload in found if shown(payload, viewer)), key=lambda record: record.id
        )
        return DocumentPage(tuple(records), page[-1] if start + limit < len(ids) else None)

    async def search(self, collection: str, query: VectorQuery) -> SearchHits:
        """See the port. A slow store is not given more than its turns: the others wait, or are refused."""
        collection = await self.resolve(collection)
        viewer, within_s = Viewer(query.tenant, query.groups), query.within_s
        where = seen_by(viewer, query.filters)
        async with self._turns.taken(within_s):
            legs = await self._engine.query(
                collection, query.dense, query.sparse, where, query.limit, within_s=within_s
            )
        return ranked(legs, viewer, query.limit)

    async def chunks(
        self, collection: str, tenant: str, wanted: Sequence[tuple[str, int]], *, groups: tuple[str, ...] = ()
    ) -> list[Chunk]:
        """See the port."""
        ids = [point_id(tenant, document_id, ordinal) for document_id, ordinal in wanted]
        found = await self._engine.retrieve(await self.resolve(collection), ids)
        return [chunk_of(payload) for payload in found if shown(payload, Viewer(tenant, groups))]

    async def optimize(self, collection: str) -> None:
        """See the port."""
        await self._engine.optimize(await self.resolve(collection))
