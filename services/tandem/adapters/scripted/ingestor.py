"""Documents in memory: what any ingestor must do, without reading formats or making vectors."""

import hashlib
from collections.abc import Mapping

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
from tandem.domain.errors import DocumentRejected, TandemError, UnknownCollection, UnknownDocument
from tandem.ingestion.fingerprint import label_mark
from tandem.ingestion.labels import check_labels, record_of

_RECIPE = Recipe(embedder="none", dimensions=1, sparse="none", chunker="paragraphs")
_Key = tuple[str, str]


class ScriptedIngestor:
    """One chunk a paragraph. `failures` maps document ids to the error that putting them raises."""

    def __init__(self, failures: Mapping[str, TandemError] | None = None, *, epoch_s: float = 1_700_000_000.0) -> None:
        self._failures = failures or {}
        self._epoch_s = epoch_s
        self._collections: dict[str, dict[_Key, StoredDocument]] = {}
        self.settled: list[str] = []

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        """Store it; an empty one, or one that is not UTF-8, is rejected."""
        if document.id in self._failures:
            raise self._failures[document.id]
        check_labels(document)
        text = _text(document.body)
        fingerprint = f"{hashlib.sha256(document.body).hexdigest()}.{label_mark(document)}"
        documents = self._collections.setdefault(collection, {})
        known = documents.get((context.tenant, document.id))
        if known is not None and known.record.fingerprint == fingerprint:
            return IngestOutcome(document.id, "unchanged", known.record.chunks)
        title = document.title or document.id
        chunks = _chunks(document.id, title, text)
        loaded = LoadedDocument(title, text, document.media_type or "text/plain")
        record = record_of(document, loaded, fingerprint, len(chunks), self._epoch_s)
        documents[context.tenant, document.id] = StoredDocument(record, chunks)
        return IngestOutcome(document.id, "updated" if known else "added", len(chunks))

    async def delete(self, collection: str, document_id: str, context: RequestContext) -> bool:
        """True when there was one."""
        return self._documents(collection).pop((context.tenant, document_id), None) is not None

    async def document(self, collection: str, document_id: str, context: RequestContext) -> StoredDocument:
        """Raises `UnknownDocument`."""
        found = self._documents(collection).get((context.tenant, document_id))
        if found is None:
            raise UnknownDocument(f"There is no document {document_id!r}.", param="id")
        return found

    async def documents(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> DocumentPage:
        """Records ordered by id."""
        mine = self._records(collection, context.tenant)
        later = [record for record in mine if after is None or record.id > after]
        return DocumentPage(tuple(later[:limit]), later[limit - 1].id if len(later) > limit else None)

    async def collections(self, context: RequestContext) -> list[CollectionInfo]:
        """All collections, with this tenant's counts."""
        found = []
        for name in sorted(self._collections):
            mine = self._records(name, context.tenant)
            found.append(CollectionInfo(name, len(mine), sum(record.chunks for record in mine), _RECIPE))
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

    def _records(self, collection: str, tenant: str) -> list[DocumentRecord]:
        mine = [stored.record for (owner, _), stored in self._documents(collection).items() if owner == tenant]
        return sorted(mine, key=lambda record: record.id)


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
