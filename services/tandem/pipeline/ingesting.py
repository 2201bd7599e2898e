"""One document through the feature pipeline: load, chunk, embed, store. Nothing is written until everything is ready."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from tandem.domain.context import RequestContext
from tandem.domain.document import (
    Chunk,
    CollectionInfo,
    DocumentPage,
    DocumentRecord,
    IngestOutcome,
    LoadedDocument,
    RawDocument,
    Recipe,
    StoredDocument,
)
from tandem.domain.errors import DocumentRejected, UnknownCollection, UnknownDocument
from tandem.ingestion.chunking import Chunker
from tandem.ingestion.context import contextual_text
from tandem.ingestion.fingerprint import fingerprint, same_content
from tandem.ingestion.identifiers import check_document_id
from tandem.ingestion.labels import check_labels, record_of
from tandem.ports.clock import Clock
from tandem.ports.embedder import Embedder, SparseEmbedder
from tandem.ports.loader import Loader
from tandem.ports.vectors import EmbeddedChunk, Vectors

T = TypeVar("T")

# Small enough that a question asked meanwhile gets its turn at the model.
_BATCH = 64


class Ingesting:
    """`ports/ingestor.py` in this process. Calls for different documents run side by side, those for one id in turn."""

    def __init__(
        self,
        loader: Loader,
        embedder: Embedder,
        sparse: SparseEmbedder,
        vectors: Vectors,
        clock: Clock,
        *,
        chunk_tokens: int = 200,
        chunk_overlap: int = 32,
    ) -> None:
        self._loader = loader
        self._embedder = embedder
        self._sparse = sparse
        self._vectors = vectors
        self._clock = clock
        self._chunker = Chunker(embedder.count_tokens, chunk_tokens, chunk_overlap)
        self._turns = Turns()

    @property
    def recipe(self) -> Recipe:
        """How this process makes a collection's points."""
        card = self._embedder.card
        return Recipe(card.name, card.dimensions, self._sparse.name, self._chunker.name)

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        """See the port. Cancelled while it writes, it finishes the write first."""
        check_document_id(document.id)
        check_labels(document)
        mark = fingerprint(document, self.recipe, self._loader.name)
        async with self._turns.take((context.tenant, collection, document.id)):
            await self._vectors.ensure_collection(collection, self.recipe)
            known = await self._vectors.record(collection, context.tenant, document.id)
            if known is not None and known.fingerprint == mark:
                return IngestOutcome(document.id, "unchanged", known.chunks)
            loaded = await self._loader.load(document)
            if known is not None and same_content(known.fingerprint, mark):
                return await self._relabelled(collection, document, loaded, replace(known, fingerprint=mark), context)
            chunks = await self._chunked(document.id, loaded)
            embedded = await self._embedded(chunks)
            record = record_of(document, loaded, mark, len(chunks), self._clock.epoch_s())
            await finish(self._vectors.replace_document(collection, context.tenant, record, embedded))
        return IngestOutcome(document.id, "added" if known is None else "updated", len(chunks))

    async def _relabelled(
        self,
        collection: str,
        document: RawDocument,
        loaded: LoadedDocument,
        known: DocumentRecord,
        context: RequestContext,
    ) -> IngestOutcome:
        """Other words about the same chunks: nothing is embedded again."""
        record = record_of(document, loaded, known.fingerprint, known.chunks, known.ingested_at)
        await finish(self._vectors.update_record(collection, context.tenant, record))
        return IngestOutcome(document.id, "updated", known.chunks)

    async def delete(self, collection: str, document_id: str, context: RequestContext) -> bool:
        """True when there was one."""
        check_document_id(document_id)
        async with self._turns.take((context.tenant, collection, document_id)):
            return await finish(self._vectors.delete_document(collection, context.tenant, document_id))

    async def document(self, collection: str, document_id: str, context: RequestContext) -> StoredDocument:
        """Raises `UnknownDocument`."""
        check_document_id(document_id)
        stored = await self._vectors.document(collection, context.tenant, document_id)
        if stored is None:
            raise UnknownDocument(f"The collection {collection} has no document {document_id}.", param="id")
        return stored

    async def documents(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> DocumentPage:
        """Records ordered by id."""
        return await self._vectors.documents(collection, context.tenant, limit=limit, after=after)

    async def collections(self, context: RequestContext) -> list[CollectionInfo]:
        """All collections, ordered by name."""
        return await self._vectors.collections(context.tenant)

    async def drop_collection(self, collection: str, context: RequestContext) -> None:
        """Raises `UnknownCollection`."""
        await finish(self._vectors.drop_collection(collection, context.tenant))

    async def settle(self, collection: str) -> None:
        """Index what was written since; nothing to do for a collection that nothing was written to."""
        try:
            await self._vectors.optimize(collection)
        except UnknownCollection:
            return

    async def _chunked(self, document_id: str, loaded: LoadedDocument) -> tuple[Chunk, ...]:
        chunks = await asyncio.to_thread(self._chunker.chunks, document_id, loaded)
        if not chunks:
            raise DocumentRejected("The document holds no text.", reason="empty")
        return chunks

    async def _embedded(self, chunks: Sequence[Chunk]) -> list[EmbeddedChunk]:
        embedded: list[EmbeddedChunk] = []
        for start in range(0, len(chunks), _BATCH):
            batch = chunks[start : start + _BATCH]
            texts = [
                contextual_text(chunk, self._embedder.count_tokens, self._embedder.card.max_tokens) for chunk in batch
            ]
            dense = await self._embedder.embed(texts, "document")
            sparse = [self._sparse.embed(text, "document") for text in texts]
            embedded.extend(map(EmbeddedChunk, batch, dense, sparse))
        return embedded


class Turns:
    """A lock per key that exists only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, ...], tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def take(self, key: tuple[str, ...]) -> AsyncIterator[None]:
        """Alone with `key` until left."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)


async def finish(write: Coroutine[Any, Any, T]) -> T:
    """Await a write to its end even when cancelled meanwhile; the cancellation follows."""
    task = asyncio.ensure_future(write)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
