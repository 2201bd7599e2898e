"""Documents in memory: what any ingestor must do, without reading formats or making vectors."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tandem.adapters.scripted.remembering import Memory
from tandem.adapters.scripted.versions import ScriptedVersions
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
from tandem.domain.errors import DocumentRejected, PermissionDenied, TandemError, UnknownCollection, UnknownDocument
from tandem.domain.syncing import DocumentMark, Failure, FailurePage, MarkPage, StreamPosition
from tandem.domain.viewer import Viewer
from tandem.ingestion.fingerprint import label_mark
from tandem.ingestion.labels import check_labels, record_of

_RECIPE = Recipe(embedder="none", dimensions=1, sparse="none", chunker="paragraphs")
_Key = tuple[str, str]


class ScriptedIngestor:
    """One chunk a paragraph. `failures` maps document ids to the error that putting them raises."""

    def __init__(
        self,
        failures: Mapping[str, TandemError] | None = None,
        *,
        epoch_s: float = 1_700_000_000.0,
        versions: ScriptedVersions | None = None,
    ) -> None:
        self._failures = failures or {}
        self._epoch_s = epoch_s
        self._collections: dict[str, dict[_Key, StoredDocument]] = {}
        self._memory: dict[str, Memory] = {}
        self.settled: list[str] = []
        self.versions = versions or ScriptedVersions()

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        """Store it; an empty one, or one that is not UTF-8, is rejected."""
        check_labels(document)
        memory = self._memory.setdefault(collection, Memory())
        if memory.passed(context.tenant, document.position):
            return IngestOutcome(document.id, "unchanged")
        try:
            outcome = self._put(collection, document, context)
        except DocumentRejected as error:
            self._collections.setdefault(collection, {})
            failure = Failure(document.id, error.reason, error.message, document.source, self._epoch_s, document.place)
            memory.note(context.tenant, replace(failure, acl=document.acl), document.position)
            raise
        memory.forget(context.tenant, document.id)
        memory.reach(context.tenant, document.position)
        return outcome

    def _put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        if document.id in self._failures:
            raise self._failures[document.id]
        text = _text(document.body)
        fingerprint = f"{hashlib.sha256(document.body).hexdigest()}.{label_mark(document)}"
        documents = self._collections.setdefault(collection, {})
        known = documents.get((context.tenant, document.id))
        if known is not None and not context.viewer.sees(known.record.acl):
            raise PermissionDenied(f"This caller may not write the document {document.id!r}.", param="id")
        if known is not None and known.record.fingerprint == fingerprint:
            return IngestOutcome(document.id, "unchanged", known.record.chunks)
        title = document.title or document.id
        chunks = _chunks(document.id, title, text)
        loaded = LoadedDocument(title, text, document.media_type or "text/plain")
        record = replace(
            record_of(document, loaded, fingerprint, len(chunks), self._epoch_s),
            source_version=document.version,
            origin=document.origin,
        )
        documents[context.tenant, document.id] = StoredDocument(record, chunks)
        return IngestOutcome(document.id, "updated" if known else "added", len(chunks))

    async def delete(
        self, collection: str, document_id: str, context: RequestContext, position: StreamPosition | None = None
    ) -> bool:
        """True when there was one."""
        memory = self._memory.setdefault(collection, Memory())
        if memory.passed(context.tenant, position):
            return False
        known = self._documents(collection).get((context.tenant, document_id))
        if known is not None and not context.viewer.sees(known.record.acl):
            return False
        memory.forget(context.tenant, document_id, context.groups)
        memory.reach(context.tenant, position)
        return self._documents(collection).pop((context.tenant, document_id), None) is not None

    async def marks(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> MarkPage:
        """Ordered by id."""
        page = await self.documents(collection, context, limit=limit, after=after)
        marks = [DocumentMark(one.id, one.source, one.chunks, one.origin, one.source_version) for one in page.records]
        return MarkPage(tuple(marks), page.next_after)

    async def note_failure(
        self,
        collection: str,
        failure: Failure,
        context: RequestContext,
        position: StreamPosition | None = None,
    ) -> None:
        """Remembered, as of now."""
        self._collections.setdefault(collection, {})
        memory = self._memory.setdefault(collection, Memory())
        memory.note(context.tenant, replace(failure, failed_at=self._epoch_s), position)

    async def failures(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> FailurePage:
        """Ordered by id."""
        self._documents(collection)
        return self._memory[collection].page(context.viewer, limit, after)

    async def forget_failure(self, collection: str, document_id: str, context: RequestContext) -> bool:
        """True when there was one."""
        self._documents(collection)
        return self._memory[collection].forget(context.tenant, document_id, context.groups)

    async def positions(
        self, collection: str, stream: str, partitions: Sequence[int], context: RequestContext
    ) -> Mapping[int, int]:
        """Of those that have one."""
        memory = self._memory.get(collection, Memory())
        return memory.reached(context.tenant, stream, partitions)

    async def document(self, collection: str, document_id: str, context: RequestContext) -> StoredDocument:
        """Raises `UnknownDocument`."""
        found = self._documents(collection).get((context.tenant, document_id))
        if found is None or not context.viewer.sees(found.record.acl):
            raise UnknownDocument(f"There is no document {document_id!r}.", param="id")
        return found

    async def documents(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> DocumentPage:
        """Records ordered by id."""
        mine = self._records(collection, context.viewer)
        later = [record for record in mine if after is None or record.id > after]
        return DocumentPage(tuple(later[:limit]), later[limit - 1].id if len(later) > limit else None)

    async def collections(self, context: RequestContext) -> list[CollectionInfo]:
        """All collections, with this tenant's counts."""
        found = []
        for name in sorted(self._collections):
            mine = self._records(name, context.viewer)
            chunks = sum(record.chunks for record in mine)
            found.append(CollectionInfo(name, len(mine), chunks, _RECIPE, version=f"{name}@1"))
        return found

    async def drop_collection(self, collection: str, context: RequestContext) -> None:  # noqa: ARG002 - the port's
        """Raises `UnknownCollection`."""
        self._documents(collection)
        del self._collections[collection]

    async def settle(self, collection: str) -> None:
        """Remembered in `settled`."""
        self._documents(collection)
        self.settled.append(collection)

    def _documents(self, collection: str) -> dict[_Key, StoredDocument]:
        if collection not in self._collections:
            raise UnknownCollection(f"There is no collection {collection!r}.", param="collection")
        return self._collections[collection]

    def _records(self, collection: str, viewer: Viewer) -> list[DocumentRecord]:
        mine = [one.record for (owner, _), one in self._documents(collection).items() if owner == viewer.tenant]
        return sorted((record for record in mine if viewer.sees(record.acl)), key=lambda record: record.id)


def _text(body: bytes) -> str:
    if not body:
        raise DocumentRejected("The document is empty (0 bytes).", reason="empty")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise DocumentRejected("The document is not UTF-8.", reason="unsupported") from error


def _chunks(document_id: str, title: str, text: str) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    start = 0
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            end = start + len(paragraph)
            chunks.append(Chunk(document_id, len(chunks), paragraph, (title,), start, end, len(paragraph.split())))
        start += len(paragraph) + 2
    return tuple(chunks)
