"""A document from its bytes to its chunks, and what the store remembers of it."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class RawDocument:
    """Bytes as they came. `id` is unique within tenant and collection: a relative path, a URL, or the caller's own."""

    id: str
    body: bytes
    source: str
    media_type: str | None = None
    title: str | None = None
    modified_at: float | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document as normalised Markdown (or plain text, or code). `pages` holds the offset in `text` where page n+1 starts."""

    title: str
    text: str
    media_type: str
    language: str | None = None
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. `start`/`end` are character offsets in the document's normalised text: `text` is that slice.

    `title_path` holds the headings above it, outermost first, the document's title leading; `page` counts from 1.
    """

    document_id: str
    ordinal: int
    text: str
    title_path: tuple[str, ...]
    start: int
    end: int
    tokens: int
    page: int | None = None

    @property
    def id(self) -> str:
        """Stable within a collection and tenant: `<document id>#<ordinal>`."""
        return f"{self.document_id}#{self.ordinal}"


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """What the store remembers of a document. `fingerprint` covers its bytes and the recipe that chunked and embedded them."""

    id: str
    title: str
    source: str
    media_type: str
    fingerprint: str
    chunks: int
    characters: int
    ingested_at: float
    language: str | None = None
    modified_at: float | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document's record with its chunks in order."""

    record: DocumentRecord
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Some records, ordered by id, and where the next page starts (None at the end)."""

    records: tuple[DocumentRecord, ...]
    next_after: str | None


IngestStatus = Literal["added", "updated", "unchanged", "removed", "failed"]


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """What became of one document; `reason` is set when it failed (see `DocumentRejected`)."""

    document_id: str
    status: IngestStatus
    chunks: int = 0
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a collection's points were made: two collections with one recipe are comparable, others are not."""

    embedder: str
    dimensions: int
    sparse: str
    chunker: str


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """One collection as this tenant may see it."""

    name: str
    documents: int
    chunks: int
    recipe: Recipe
    labels: tuple[str, ...] = field(default=())
