"""A document from its bytes to its chunks, and what the store remembers of it."""

from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.syncing import StreamPosition


@dataclass(frozen=True, slots=True)
class RawDocument:
    """Bytes as they came. `id` is unique within tenant and collection: a relative path, a URL, or the caller's own.

    What is said of it here wins over what its bytes say; `tags` are added to theirs. `path` is folder-like within its
    source; the id's when None. `acl` names the groups that may see it, nobody else may then; empty is everyone of the
    tenant. It is never taken from the bytes. Times are epoch seconds, `language` an ISO 639-1 code.

    `version` is the source's word for exactly these bytes, `origin` the mark of the place they came from. `changed_at` is
    when the event happened that told of them; `position` is that event's, where it came in a stream. `place` is what to name
    to have it read again (see `Failure`).
    """

    id: str
    body: bytes
    source: str
    media_type: str | None = None
    title: str | None = None
    modified_at: float | None = None
    tags: tuple[str, ...] = ()
    author: str | None = None
    created_at: float | None = None
    language: str | None = None
    path: str | None = None
    acl: tuple[str, ...] = ()
    version: str | None = None
    origin: str | None = None
    changed_at: float | None = None
    position: StreamPosition | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document as normalised Markdown (or plain text, or code). `pages` holds the offset in `text` where page n+1 starts.

    What the bytes say of themselves comes along: times in epoch seconds, `language` as an ISO 639-1 code.
    """

    title: str
    text: str
    media_type: str
    language: str | None = None
    pages: tuple[int, ...] = ()
    author: str | None = None
    created_at: float | None = None
    modified_at: float | None = None
    tags: tuple[str, ...] = ()


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
    """What the store remembers of a document. `fingerprint` covers its bytes, the recipe that chunked and embedded them, and
    what was said of it (see `ingestion/fingerprint.py`). `acl`: the groups that may see it; empty is everyone of the tenant.
    `content` is the SHA-256 of its bytes; `source_version` and `origin` are what the source said (see `RawDocument`).
    """

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
    author: str | None = None
    created_at: float | None = None
    path: str | None = None
    acl: tuple[str, ...] = ()
    content: str | None = None
    source_version: str | None = None
    origin: str | None = None


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
    """What became of one document; `reason` is set when it failed (see `DocumentRejected`).

    `reused` counts the chunks whose vectors were there already, under this id or, after a move, under another.
    """

    document_id: str
    status: IngestStatus
    chunks: int = 0
    reason: str | None = None
    message: str | None = None
    reused: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a collection's points were made: two collections with one recipe are comparable, others are not."""

    embedder: str
    dimensions: int
    sparse: str
    chunker: str


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """One collection as this tenant may see it. `version` is the one that serves, such as `docs@3`."""

    name: str
    documents: int
    chunks: int
    recipe: Recipe
    labels: tuple[str, ...] = field(default=())
    version: str = ""
