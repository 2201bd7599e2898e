"""One document through the feature pipeline: load, chunk, embed, store. Nothing is written until everything is ready."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

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
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.lineage import Lineage, is_version
from tandem.domain.syncing import DocumentMark, Failure, FailurePage, MarkPage, StreamPosition
from tandem.ingestion.chunking import Chunker
from tandem.ingestion.fingerprint import content_of, fingerprint, made_by, same_content
from tandem.ingestion.identifiers import check_document_id
from tandem.ingestion.labels import check_labels, record_of
from tandem.pipeline.embedding import Embedding
from tandem.pipeline.refusals import failure_of, not_yours
from tandem.pipeline.turns import Turns, finish
from tandem.pipeline.versions.unkept import UnkeptVersions
from tandem.ports.clock import Clock
from tandem.ports.embedder import Embedder, SparseEmbedder
from tandem.ports.loader import Loader
from tandem.ports.vectors import EmbeddedChunk, Vectors
from tandem.ports.versions import Versions

_UNKEPT = UnkeptVersions()


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
        versions: Versions = _UNKEPT,
    ) -> None:
        self._loader = loader
        self._embedder = embedder
        self._sparse = sparse
        self._embedding = Embedding(embedder, sparse)
        self._vectors = vectors
        self._clock = clock
        self._chunker = Chunker(embedder.count_tokens, chunk_tokens, chunk_overlap)
        self._turns = Turns()
        self.versions = versions
        self._made_by = made_by(self.recipe, loader.name)

    @property
    def recipe(self) -> Recipe:
        """How this process makes a collection's points."""
        card = self._embedder.card
        return Recipe(card.name, card.dimensions, self._sparse.name, self._chunker.name)

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        """See the port. Cancelled while it writes, it finishes the write first."""
        check_document_id(document.id)
        check_labels(document)
        async with self._turns.take((context.tenant, collection, document.id)):
            version = await self._version(collection)
            while True:
                outcome = await self._into(version, document, context)
                serving = version if outcome.status == "unchanged" else await self._version(collection)
                if serving == version:
                    return outcome
                # Promoted while it was written: what serves from now on has to hold it too.
                version = serving

    async def _version(self, collection: str) -> str:
        """Where to write to, as of now."""
        now_s = self._clock.epoch_s()
        first = Lineage(parts=(("loader", self._loader.name),), created_at=now_s, finished_at=now_s, promoted_at=now_s)
        return await self._vectors.ensure_collection(collection, self.recipe, first)

    async def _into(self, version: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        if await self._took_effect(version, document.position, context):
            return IngestOutcome(document.id, "unchanged")
        try:
            return await self._put(version, document, context)
        except DocumentRejected as error:
            failure = failure_of(document, error, self._clock.epoch_s())
            await finish(self._vectors.note_failure(version, context.tenant, failure, document.position))
            raise

    async def _put(self, version: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        mark = fingerprint(document, self.recipe, self._loader.name)
        known = await self._vectors.record(version, context.tenant, document.id, groups=(EVERY_GROUP,))
        if known is not None and not context.viewer.sees(known.acl):
            raise not_yours(document.id)
        if known is not None and known.fingerprint == mark:
            await finish(self._confirmed(version, document, known, context.tenant))
            return IngestOutcome(document.id, "unchanged", known.chunks)
        loaded = await self._loader.load(document)
        if known is not None and same_content(known.fingerprint, mark):
            record = self._record(document, loaded, mark, known.chunks, known.ingested_at)
            await finish(self._relabelled(version, record, document.position, context.tenant))
            return IngestOutcome(document.id, "updated", known.chunks, reused=known.chunks)
        chunks = await self._chunked(document.id, loaded)
        record = self._record(document, loaded, mark, len(chunks), self._clock.epoch_s())
        earlier = await self._earlier(version, record, context, known=known is not None)
        embedded, reused = await self._embedding.embedded(chunks, earlier)
        await finish(
            self._vectors.replace_document(version, context.tenant, record, embedded, position=document.position)
        )
        return IngestOutcome(document.id, "added" if known is None else "updated", len(chunks), reused=reused)

    async def _earlier(
        self, version: str, record: DocumentRecord, context: RequestContext, *, known: bool
    ) -> tuple[EmbeddedChunk, ...]:
        """What may have been embedded before: the document as it was, or one of the same bytes, which it was moved from.

        One that the caller may not see does not count: that it saved work would tell that it is there.
        """
        twin = record.id
        if not known:
            found = await self._vectors.same_content(version, context.viewer, record.content or "")
            if found is None:
                return ()
            twin = found
        return await self._vectors.embedded(version, context.tenant, twin)

    async def _confirmed(self, version: str, document: RawDocument, known: DocumentRecord, tenant: str) -> None:
        """The document is there as it came; what its source says of it may be new."""
        said = replace(known, source_version=self._source_version(document), origin=document.origin)
        if said != known:
            await self._vectors.update_record(version, tenant, said)
        await self._settled(version, document.id, document.position, tenant)

    async def _relabelled(
        self, version: str, record: DocumentRecord, position: StreamPosition | None, tenant: str
    ) -> None:
        """Other words about the same chunks: nothing is embedded again."""
        await self._vectors.update_record(version, tenant, record)
        await self._settled(version, record.id, position, tenant)

    async def _settled(self, version: str, document_id: str, position: StreamPosition | None, tenant: str) -> None:
        await self._vectors.forget_failure(version, tenant, document_id, groups=(EVERY_GROUP,))
        if position is not None:
            await self._vectors.note_position(version, tenant, position)

    async def _took_effect(self, version: str, position: StreamPosition | None, context: RequestContext) -> bool:
        """Whether an event that comes again has been dealt with before."""
        if position is None:
            return False
        reached = await self._vectors.positions(version, context.tenant, position.stream, (position.partition,))
        return reached.get(position.partition, -1) >= position.position

    def _record(
        self, document: RawDocument, loaded: LoadedDocument, mark: str, chunks: int, ingested_at: float
    ) -> DocumentRecord:
        return replace(
            record_of(document, loaded, mark, chunks, ingested_at),
            content=content_of(mark),
            source_version=self._source_version(document),
            origin=document.origin,
        )

    def _source_version(self, document: RawDocument) -> str | None:
        """Counts only as long as documents are read, cut and embedded as they are today."""
        return None if document.version is None else f"{self._made_by}:{document.version}"

    async def marks(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> MarkPage:
        """See the port."""
        marks = await self._vectors.marks(collection, context.viewer)
        rest = sorted((mark for mark in marks if after is None or mark.id > after), key=lambda mark: mark.id)
        page = tuple(replace(mark, version=self._version_of(mark)) for mark in rest[:limit])
        return MarkPage(page, page[-1].id if len(rest) > limit else None)

    def _version_of(self, mark: DocumentMark) -> str | None:
        made_by, _, version = (mark.version or "").partition(":")
        return version if made_by == self._made_by else None

    async def note_failure(
        self,
        collection: str,
        failure: Failure,
        context: RequestContext,
        position: StreamPosition | None = None,
    ) -> None:
        """See the port."""
        version = await self._version(collection)
        noted = replace(failure, failed_at=self._clock.epoch_s())
        await finish(self._vectors.note_failure(version, context.tenant, noted, position))

    async def failures(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> FailurePage:
        """See the port."""
        return await self._vectors.failures(collection, context.viewer, limit=limit, after=after)

    async def forget_failure(self, collection: str, document_id: str, context: RequestContext) -> bool:
        """See the port."""
        return await finish(
            self._vectors.forget_failure(collection, context.tenant, document_id, groups=context.groups)
        )

    async def positions(
        self, collection: str, stream: str, partitions: Sequence[int], context: RequestContext
    ) -> Mapping[int, int]:
        """See the port."""
        try:
            return await self._vectors.positions(collection, context.tenant, stream, partitions)
        except UnknownCollection:
            return {}

    async def delete(
        self, collection: str, document_id: str, context: RequestContext, position: StreamPosition | None = None
    ) -> bool:
        """True when there was one."""
        check_document_id(document_id)
        if position is not None:
            await self._version(collection)
        async with self._turns.take((context.tenant, collection, document_id)):
            if await self._took_effect(collection, position, context):
                return False
            gone = await finish(
                self._vectors.delete_document(
                    collection, context.tenant, document_id, position=position, groups=context.groups
                )
            )
            # Promoted later, a version that is being built must not bring it back.
            for version in await self._to_come(collection):
                await finish(self._vectors.delete_document(version, context.tenant, document_id, groups=context.groups))
            return gone

    async def _to_come(self, collection: str) -> list[str]:
        if is_version(collection):
            return []
        found = await self._vectors.versions(collection)
        return [each.name for each in found if each.state in {"building", "ready"}]

    async def document(self, collection: str, document_id: str, context: RequestContext) -> StoredDocument:
        """Raises `UnknownDocument`."""
        check_document_id(document_id)
        stored = await self._vectors.document(collection, context.tenant, document_id, groups=context.groups)
        if stored is None:
            raise UnknownDocument(f"The collection {collection} has no document {document_id}.", param="id")
        return stored

    async def documents(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> DocumentPage:
        """Records ordered by id."""
        return await self._vectors.documents(
            collection, context.tenant, limit=limit, after=after, groups=context.groups
        )

    async def collections(self, context: RequestContext) -> list[CollectionInfo]:
        """All collections, ordered by name."""
        return await self._vectors.collections(context.tenant, groups=context.groups)

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
