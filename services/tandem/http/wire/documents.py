"""Documents and collections on the wire."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from tandem.domain.document import Chunk, CollectionInfo, DocumentPage, DocumentRecord, StoredDocument
from tandem.domain.groups import MAX_GROUP_CHARS, MAX_GROUPS
from tandem.http.wire.text import CollectionName, Ours, Out, ShortText, Text, absent
from tandem.ingestion.labels import (
    MAX_AUTHOR_CHARS,
    MAX_PATH_CHARS,
    MAX_TAG_CHARS,
    MAX_TAGS,
)

MAX_BATCH = 1000
Tag = Annotated[ShortText, Field(min_length=1, max_length=MAX_TAG_CHARS)]
GroupName = Annotated[ShortText, Field(min_length=1, max_length=MAX_GROUP_CHARS)]
Author = Annotated[ShortText, Field(min_length=1, max_length=MAX_AUTHOR_CHARS)]
DocumentPath = Annotated[ShortText, Field(min_length=1, max_length=MAX_PATH_CHARS)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]

ACL_IS = "Groups that may see it, nobody else; everyone of the tenant if unset."
AUTHOR_IS = "Who wrote it; what the document itself says if unset."
LANGUAGE_IS = "ISO 639-1; told from the text if unset."
PATH_IS = "Folder-like path, for filters; the id's if unset."
CREATED_IS = "Epoch seconds; what the document itself says if unset."


class PutItem(Ours):
    """One document of a batch, as text."""

    id: str
    text: Text
    title: ShortText | None = None
    media_type: ShortText | None = Field(
        default=None, description="Format of the text; by the id's extension if unset."
    )
    source: ShortText | None = Field(default=None, description="Where it came from; the id if unset.")
    tags: list[Tag] = Field(default=[], max_length=MAX_TAGS)
    modified_at: FiniteFloat | None = Field(default=None, description="Epoch seconds.")
    author: Author | None = Field(default=None, description=AUTHOR_IS)
    created_at: FiniteFloat | None = Field(default=None, description=CREATED_IS)
    language: Language | None = Field(default=None, description=LANGUAGE_IS)
    path: DocumentPath | None = Field(default=None, description=PATH_IS)
    acl: list[GroupName] = Field(default=[], max_length=MAX_GROUPS, description=ACL_IS)


class PutBatch(Ours):
    """Body of `PUT /v1/documents`."""

    documents: list[PutItem] = Field(min_length=1, max_length=MAX_BATCH)
    collection: CollectionName | None = None

    @model_validator(mode="after")
    def _each_id_once(self) -> "PutBatch":
        if len({item.id for item in self.documents}) < len(self.documents):
            raise ValueError("two documents have the same id")
        return self


class PutOutcome(Out):
    """Answer of `PUT /v1/documents/{id}`."""

    id: str
    status: Literal["added", "updated", "unchanged"]
    chunks: int
    reused: int = Field(description="Chunks whose vectors were there already.")
    collection: str


class BatchOutcome(Out):
    """What became of one document of a batch; `reason` and `message` when it failed."""

    id: str
    status: Literal["added", "updated", "unchanged", "failed"]
    chunks: int
    reason: str | None = Field(default=None, exclude_if=absent)
    message: str | None = Field(default=None, exclude_if=absent)


class BatchOutcomes(Out):
    """Answer of `PUT /v1/documents`, in the order of the request."""

    results: list[BatchOutcome]


class Deleted(Out):
    """Answer of `DELETE /v1/documents/{id}`."""

    id: str
    deleted: Literal[True] = True


class WireRecord(Out):
    """What the store remembers of a document."""

    id: str
    title: str
    source: str
    media_type: str
    fingerprint: str
    chunks: int
    characters: int
    ingested_at: float
    language: str | None
    modified_at: float | None
    tags: list[str]
    author: str | None
    created_at: float | None
    path: str | None
    acl: list[str]


class WireChunk(Out):
    """A piece of a document; `start` and `end` are character offsets in its text."""

    id: str
    ordinal: int
    text: str
    title_path: list[str]
    start: int
    end: int
    tokens: int
    page: int | None


class WireDocument(WireRecord):
    """A record with the document's chunks in order."""

    content: list[WireChunk]


class WirePage(Out):
    """Some records, ordered by id."""

    data: list[WireRecord]
    has_more: bool
    next_after: str | None


class WireRecipe(Out):
    """How a collection's points were made."""

    embedder: str
    dimensions: int
    sparse: str
    chunker: str


class WireCollection(Out):
    """One collection, with this tenant's counts; `version` is the one that serves."""

    name: str
    version: str
    documents: int
    chunks: int
    recipe: WireRecipe


class WireCollections(Out):
    """Answer of `GET /v1/collections`."""

    data: list[WireCollection]


class CollectionDeleted(Out):
    """Answer of `DELETE /v1/collections/{name}`."""

    name: str
    deleted: Literal[True] = True


class CollectionSettled(Out):
    """Answer of `POST /v1/collections/{name}/settle`."""

    name: str
    settled: Literal[True] = True


def wire_record(record: DocumentRecord) -> WireRecord:
    """A record."""
    return WireRecord(**_record_fields(record))  # type: ignore[arg-type]


def wire_document(document: StoredDocument) -> WireDocument:
    """A document with its chunks."""
    return WireDocument(**_record_fields(document.record), content=[_chunk(c) for c in document.chunks])  # type: ignore[arg-type]


def wire_page(page: DocumentPage) -> WirePage:
    """A page of records."""
    return WirePage(
        data=[wire_record(r) for r in page.records], has_more=page.next_after is not None, next_after=page.next_after
    )


def wire_collection(info: CollectionInfo) -> WireCollection:
    """A collection."""
    recipe = info.recipe
    return WireCollection(
        name=info.name,
        version=info.version,
        documents=info.documents,
        chunks=info.chunks,
        recipe=WireRecipe(
            embedder=recipe.embedder, dimensions=recipe.dimensions, sparse=recipe.sparse, chunker=recipe.chunker
        ),
    )


def _record_fields(record: DocumentRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "title": record.title,
        "source": record.source,
        "media_type": record.media_type,
        "fingerprint": record.fingerprint,
        "chunks": record.chunks,
        "characters": record.characters,
        "ingested_at": record.ingested_at,
        "language": record.language,
        "modified_at": record.modified_at,
        "tags": list(record.tags),
        "author": record.author,
        "created_at": record.created_at,
        "path": record.path,
        "acl": list(record.acl),
    }


def _chunk(chunk: Chunk) -> WireChunk:
    return WireChunk(
        id=chunk.id,
        ordinal=chunk.ordinal,
        text=chunk.text,
        title_path=list(chunk.title_path),
        start=chunk.start,
        end=chunk.end,
        tokens=chunk.tokens,
        page=chunk.page,
    )
