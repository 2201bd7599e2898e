"""Documents in, and the view of what is there: in this process or in another."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.document import CollectionInfo, DocumentPage, IngestOutcome, RawDocument, StoredDocument
from tandem.domain.syncing import Failure, FailurePage, MarkPage, StreamPosition
from tandem.ports.versions import Versions


class Ingestor(Protocol):
    """The feature pipeline for one document at a time. Everything is scoped by the context's tenant."""

    @property
    def versions(self) -> Versions:
        """Of the collections that documents are put into."""
        ...

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        """Load, chunk, embed and store it; status `added`, `updated` or `unchanged` (same bytes and recipe: no write).

        Creates the collection when missing. Raises `DocumentRejected`, `StoreFull`, `StoreMismatch`; nothing is half-written then.
        A rejected document is remembered among the failures. With a `position` (see `RawDocument`), an event that has taken
        effect before is `unchanged`, and one that takes effect does so together with its position.
        """
        ...

    async def delete(
        self, collection: str, document_id: str, context: RequestContext, position: StreamPosition | None = None
    ) -> bool:
        """True when there was one. With a `position`, an event's that has taken effect before, nothing is deleted."""
        ...

    async def document(self, collection: str, document_id: str, context: RequestContext) -> StoredDocument:
        """Raises `UnknownDocument`."""
        ...

    async def documents(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> DocumentPage:
        """Records ordered by id."""
        ...

    async def marks(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> MarkPage:
        """What a synchronisation compares with, ordered by id. Raises `UnknownCollection`."""
        ...

    async def note_failure(
        self,
        collection: str,
        failure: Failure,
        context: RequestContext,
        position: StreamPosition | None = None,
    ) -> None:
        """Remember a document that could not even be put; when it failed and how often is counted here. See `put`."""
        ...

    async def failures(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> FailurePage:
        """Documents that failed and did not succeed since, ordered by id. Raises `UnknownCollection`."""
        ...

    async def forget_failure(self, collection: str, document_id: str, context: RequestContext) -> bool:
        """True when there was one."""
        ...

    async def positions(
        self, collection: str, stream: str, partitions: Sequence[int], context: RequestContext
    ) -> Mapping[int, int]:
        """How far each of the partitions has taken effect; those that have not begun are left out."""
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
