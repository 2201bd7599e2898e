"""The `Vectors` port over either engine: the order of writes, the tenant in every query, the listing of documents."""

import asyncio
import re
from bisect import bisect_right
from collections.abc import Sequence
from weakref import WeakValueDictionary

from tandem.adapters.qdrant.conditions import EVERYTHING, first_chunk, first_chunks, left_over, of_document, of_tenant
from tandem.adapters.qdrant.engine import Engine
from tandem.adapters.qdrant.payload import in_order, new_point, point_id, record_of, record_payload
from tandem.adapters.qdrant.ranking import ranked
from tandem.adapters.qdrant.turns import Turns
from tandem.domain.document import CollectionInfo, DocumentPage, DocumentRecord, Recipe, StoredDocument
from tandem.domain.errors import InvalidRequest, StoreFull, StoreMismatch, UnknownCollection
from tandem.ports.vectors import EmbeddedChunk, SearchHits, VectorQuery

# A name is also a folder's.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# Searches at a time, and how long one waits for its turn, unless told otherwise.
_AT_A_TIME = 32
_PATIENCE_S = 10.0
# Points written at a time: some 30 ms of the embedded engine.
_BATCH = 64


class QdrantVectors:
    """Each method is the port's."""

    def __init__(self, engine: Engine, turns: Turns | None = None) -> None:
        self._engine = engine
        self._turns = turns or Turns(_AT_A_TIME, _PATIENCE_S)
        self._writing: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()

    async def ensure_collection(self, name: str, recipe: Recipe) -> None:
        """See the port; raises `InvalidRequest` for a name that cannot be one."""
        if _NAME.fullmatch(name) is None:
            raise InvalidRequest(
                f"{name[:80]!r} cannot name a collection.",
                hint="Use up to 63 lower-case letters, digits, hyphens and underscores.",
                param="collection",
            )
        try:
            found = await self._engine.recipe(name)
        except UnknownCollection:
            await self._engine.create(name, recipe)
            return
        if found != recipe:
            raise StoreMismatch(
                f"The collection {name} was built otherwise: {_difference(found, recipe)}.",
                hint="Ingest into a new collection, delete this one first, or set back what was changed.",
                param="collection",
            )

    async def collections(self, tenant: str) -> list[CollectionInfo]:
        """See the port."""
        return [await self._info(name, tenant) for name in sorted(await self._engine.names())]

    async def _info(self, name: str, tenant: str) -> CollectionInfo:
        return CollectionInfo(
            name=name,
            documents=await self._engine.count(name, first_chunks(tenant)),
            chunks=await self._engine.count(name, of_tenant(tenant)),
            recipe=await self._engine.recipe(name),
        )

    async def drop_collection(self, name: str, tenant: str) -> None:
        """See the port."""
        # A collection that Tandem did not make has no recipe: nothing of it is touched.
        await self._engine.recipe(_known(name))
        await self._engine.delete(name, of_tenant(tenant))
        if await self._engine.count(name, EVERYTHING) == 0:
            await self._engine.drop(name)

    async def replace_document(
        self, collection: str, tenant: str, record: DocumentRecord, chunks: Sequence[EmbeddedChunk]
    ) -> None:
        """The first chunk goes last: it carries the record, so until then the old fingerprint stands (or none)."""
        points = [new_point(tenant, record, chunk) for chunk in sorted(chunks, key=lambda each: each.chunk.ordinal)]
        async with self._alone(_known(collection), tenant, record.id):
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
        async with self._alone(_known(collection), tenant, record.id):
            if await self.record(collection, tenant, record.id) is None:
                return False
            payload = record_payload(record)
            await self._engine.set_payload(collection, left_over(tenant, record.id, 1), payload)
            await self._engine.set_payload(collection, first_chunk(tenant, record.id), payload)
            return True

    async def delete_document(self, collection: str, tenant: str, document_id: str) -> bool:
        """See the port; what a crash left of a document without a record is deleted as well."""
        async with self._alone(_known(collection), tenant, document_id):
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
        found = await self._engine.retrieve(_known(collection), [point_id(tenant, document_id, 0)])
        return record_of(found[0]) if found else None

    async def document(self, collection: str, tenant: str, document_id: str) -> StoredDocument | None:
        """See the port."""
        payloads = await self._engine.scroll(_known(collection), of_document(tenant, document_id))
        first = next((payload for payload in payloads if payload["ordinal"] == 0), None)
        if first is None:
            return None
        return StoredDocument(record_of(first), tuple(in_order(payloads)))

    async def documents(self, collection: str, tenant: str, *, limit: int, after: str | None = None) -> DocumentPage:
        """See the port. Qdrant cannot order by text, so ids are listed (an index holds them) and ordered here."""
        ids = sorted(await self._engine.values(_known(collection), "document_id", first_chunks(tenant)))
        start = 0 if after is None else bisect_right(ids, after)
        page = ids[start : start + limit]
        found = await self._engine.retrieve(collection, [point_id(tenant, each, 0) for each in page])
        records = sorted((record_of(payload) for payload in found), key=lambda record: record.id)
        return DocumentPage(tuple(records), page[-1] if start + limit < len(ids) else None)

    async def search(self, collection: str, query: VectorQuery) -> SearchHits:
        """See the port. A slow store is not given more than its turns: the others wait, or are refused."""
        where, within_s = of_tenant(query.tenant, query.filters), query.within_s
        async with self._turns.taken(within_s):
            legs = await self._engine.query(
                _known(collection), query.dense, query.sparse, where, query.limit, within_s=within_s
            )
        return ranked(legs, query.tenant, query.limit)

    async def optimize(self, collection: str) -> None:
        """See the port."""
        await self._engine.optimize(_known(collection))


def _known(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise unknown(name)
    return name


def unknown(name: str) -> UnknownCollection:
    """The error of a collection that does not exist."""
    return UnknownCollection(
        f"There is no collection {name[:80]!r}.",
        hint="`tandem collections list` shows those there are.",
        param="collection",
    )


def _difference(found: Recipe, wanted: Recipe) -> str:
    return ", ".join(
        f"{field} is {getattr(found, field)}, configured is {getattr(wanted, field)}"
        for field in ("embedder", "dimensions", "sparse", "chunker")
        if getattr(found, field) != getattr(wanted, field)
    )
