"""The `Vectors` port over either engine: the order of writes, the tenant in every query, the listing of documents."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from weakref import WeakValueDictionary

from tandem.adapters.qdrant.conditions import EVERYTHING, first_chunk, first_chunks, left_over, of_document, of_tenant
from tandem.adapters.qdrant.engine import Engine
from tandem.adapters.qdrant.naming import unknown
from tandem.adapters.qdrant.payload import TENANT, in_order, new_point, point_id, record_of, record_payload
from tandem.adapters.qdrant.ranking import ranked
from tandem.adapters.qdrant.shelf import Shelf
from tandem.adapters.qdrant.turns import Turns
from tandem.domain.document import CollectionInfo, DocumentPage, DocumentRecord, Recipe, StoredDocument
from tandem.domain.errors import StoreFull
from tandem.domain.lineage import UNTOLD, Lineage, Version, base_of, is_version
from tandem.ports.vectors import EmbeddedChunk, SearchHits, VectorQuery

# Searches at a time, and how long one waits for its turn, unless told otherwise.
_AT_A_TIME = 32
_PATIENCE_S = 10.0
# Points written at a time: some 30 ms of the embedded engine.
_BATCH = 64


class QdrantVectors:
    """Each method is the port's."""

    def __init__(self, engine: Engine, turns: Turns | None = None) -> None:
        self._engine = engine
        self._shelf = Shelf(engine)
        self._turns = turns or Turns(_AT_A_TIME, _PATIENCE_S)
        self._writing: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()

    async def resolve(self, name: str) -> str:
        """See the port."""
        return await self._shelf.resolve(name)

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

    async def keep_lineage(self, version: str, lineage: Lineage) -> None:
        """See the port."""
        await self._shelf.keep_lineage(version, lineage)

    async def drop_version(self, version: str) -> None:
        """See the port."""
        await self._shelf.drop(version)

    async def tenants(self, name: str) -> list[str]:
        """See the port."""
        return sorted(await self._engine.values(await self.resolve(name), TENANT, EVERYTHING))

    async def collections(self, tenant: str) -> list[CollectionInfo]:
        """See the port."""
        # Those from before there were versions get theirs when they are listed.
        await self._engine.names()
        serving = await self._engine.serving(fresh=True)
        return [await self._info(base, serving[base], tenant) for base in sorted(serving)]

    async def _info(self, base: str, version: str, tenant: str) -> CollectionInfo:
        return CollectionInfo(
            name=base,
            documents=await self._engine.count(version, first_chunks(tenant)),
            chunks=await self._engine.count(version, of_tenant(tenant)),
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
        if not any([await self._engine.count(version, EVERYTHING) for version in names]):
            await (self._shelf.drop(name) if is_version(name) else self._shelf.drop_all(name))

    async def replace_document(
        self, collection: str, tenant: str, record: DocumentRecord, chunks: Sequence[EmbeddedChunk]
    ) -> None:
        """The first chunk goes last: it carries the record, so until then the old fingerprint stands (or none)."""
        points = [new_point(tenant, record, chunk) for chunk in sorted(chunks, key=lambda each: each.chunk.ordinal)]
        collection = await self.resolve(collection)
        async with self._alone(collection, tenant, record.id):
            try:
                for start in range(1, len(points), _BATCH):
                    await self._engine.upsert(collection, points[start : start + _BATCH])
                await self._engine.delete(collection, left_over(tenant, record.id, len(points)))
                await self._engine.upsert(collection, points[:1])
            except StoreFull:
                await self._take_back(collection, tenant, record.id)
                raise

    async def _take_back(self, collection: str, tenant: str, document_id: str) -> None:
        """Half of a new document is worth nothing; half of a new version is completed when it is ingested again."""
        if await self.record(collection, tenant, document_id) is None:
            await self._engine.delete(collection, of_document(tenant, document_id))

    async def update_record(self, collection: str, tenant: str, record: DocumentRecord) -> bool:
        """See the port. The first chunk goes last, as it carries the record."""
        collection = await self.resolve(collection)
        async with self._alone(collection, tenant, record.id):
            if await self.record(collection, tenant, record.id) is None:
                return False
            payload = record_payload(record)
            await self._engine.set_payload(collection, left_over(tenant, record.id, 1), payload)
            await self._engine.set_payload(collection, first_chunk(tenant, record.id), payload)
            return True

    async def delete_document(self, collection: str, tenant: str, document_id: str) -> bool:
        """See the port; what a crash left of a document without a record is deleted as well."""
        collection = await self.resolve(collection)
        async with self._alone(collection, tenant, document_id):
            where = of_document(tenant, document_id)
            if await self._engine.count(collection, where) == 0:
                return False
            known = await self.record(collection, tenant, document_id) is not None
            await self._engine.delete(collection, where)
            return known

    def _alone(self, collection: str, tenant: str, document_id: str) -> asyncio.Lock:
        """Two versions of one document are never written at once."""
        return self._writing.setdefault((collection, tenant, document_id), asyncio.Lock())

    async def record(self, collection: str, tenant: str, document_id: str) -> DocumentRecord | None:
        """See the port."""
        collection = await self.resolve(collection)
        found = await self._engine.retrieve(collection, [point_id(tenant, document_id, 0)])
        return record_of(found[0]) if found else None

    async def document(self, collection: str, tenant: str, document_id: str) -> StoredDocument | None:
        """See the port."""
        collection = await self.resolve(collection)
        payloads = await self._engine.scroll(collection, of_document(tenant, document_id))
        first = next((payload for payload in payloads if payload["ordinal"] == 0), None)
        if first is None:
            return None
        return StoredDocument(record_of(first), tuple(in_order(payloads)))

    async def documents(self, collection: str, tenant: str, *, limit: int, after: str | None = None) -> DocumentPage:
        """See the port. Qdrant cannot order by text, so ids are listed (an index holds them) and ordered here."""
        collection = await self.resolve(collection)
        ids = sorted(await self._engine.values(collection, "document_id", first_chunks(tenant)))
        start = 0 if after is None else bisect_right(ids, after)
        page = ids[start : start + limit]
        found = await self._engine.retrieve(collection, [point_id(tenant, each, 0) for each in page])
        records = sorted((record_of(payload) for payload in found), key=lambda record: record.id)
        return DocumentPage(tuple(records), page[-1] if start + limit < len(ids) else None)

    async def search(self, collection: str, query: VectorQuery) -> SearchHits:
        """See the port. A slow store is not given more than its turns: the others wait, or are refused."""
        collection = await self.resolve(collection)
        where, within_s = of_tenant(query.tenant, query.filters), query.within_s
        async with self._turns.taken(within_s):
            legs = await self._engine.query(
                collection, query.dense, query.sparse, where, query.limit, within_s=within_s
            )
        return ranked(legs, query.tenant, query.limit)

    async def optimize(self, collection: str) -> None:
        """See the port."""
        await self._engine.optimize(await self.resolve(collection))
