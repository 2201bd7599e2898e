"""Documents in, and the view of what is there: in this process or in another."""

from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.document import CollectionInfo, DocumentPage, IngestOutcome, RawDocument, StoredDocument


class Ingestor(Protocol):
    """The feature pipeline for one document at a time. Everything is scoped by the context's tenant."""

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        """Load, chunk, embed and store it; status `added`, `updated` or `unchanged` (same bytes and recipe: no write).

        Creates the collection when missing. Raises `DocumentRejected`, `StoreFull`, `StoreMismatch`; nothing is half-written then.
        """
        ...

    async def delete(self, collection: str, document_id: str, context: RequestContext) -> bool:
        """True when there was one."""
        ...

    async def document(self, collection: str, document_id: str, context: RequestContext) -> StoredDocument:
        """Raises `UnknownDocument`."""
        ...

    async def documents(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> DocumentPage:
        """Records ordered by id."""
        ...

    async def collections(self, context: RequestContext) -> list[CollectionInfo]:
        """All collections, ordered by name."""
        ...

    async def drop_collection(self, collection: str, context: RequestContext) -> None:
        """Delete what this tenant has in it; it goes with its last document. Raises `UnknownCollection`."""
        ...

    async def settle(self, collection: str) -> None:
        """Called once after many puts: index what was written."""
        ...
