"""What a Tandem answers, read back into the domain; unknown fields are ignored, so that versions may differ."""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tandem.domain.document import (
    Chunk,
    CollectionInfo,
    DocumentPage,
    DocumentRecord,
    IngestOutcome,
    Recipe,
    StoredDocument,
)
from tandem.domain.errors import InvalidRequest, UpstreamFailed
from tandem.domain.filters import Condition, Filter


class In(BaseModel):
    """What is read; what is not known is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


R = TypeVar("R", bound=BaseModel)


def read(model: type[R], body: bytes) -> R:
    """The body as `model`. Raises `UpstreamFailed` when it is something else."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise UpstreamFailed(
            f"The retriever's answer cannot be read: {error.error_count()} faults, first {error.errors()[0]['msg']}.",
            hint="Is it a Tandem of this version?",
        ) from error


class InPut(In):
    """Answer of `PUT /v1/documents/{id}`."""

    id: str
    status: Literal["added", "updated", "unchanged"]
    chunks: int
    reused: int = 0

    def outcome(self) -> IngestOutcome:
        """The domain's."""
        return IngestOutcome(self.id, self.status, self.chunks, reused=self.reused)


class InRecord(In):
    """A record."""

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

    def record(self) -> DocumentRecord:
        """The domain's."""
        return DocumentRecord(**{name: getattr(self, name) for name in InRecord.model_fields})


class InChunk(In):
    """A piece of a document."""

    ordinal: int
    text: str
    title_path: tuple[str, ...]
    start: int
    end: int
    tokens: int
    page: int | None = None


class InDocument(InRecord):
    """Answer of `GET /v1/documents/{id}`."""

    content: tuple[InChunk, ...]

    def document(self) -> StoredDocument:
        """The domain's."""
        chunks = (
            Chunk(self.id, c.ordinal, c.text, c.title_path, c.start, c.end, c.tokens, c.page) for c in self.content
        )
        return StoredDocument(self.record(), tuple(chunks))


class InPage(In):
    """Answer of `GET /v1/documents`."""

    data: tuple[InRecord, ...]
    next_after: str | None = None

    def page(self) -> DocumentPage:
        """The domain's."""
        return DocumentPage(tuple(r.record() for r in self.data), self.next_after)


class InRecipe(In):
    """A recipe."""

    embedder: str
    dimensions: int
    sparse: str
    chunker: str


class InCollection(In):
    """A collection."""

    name: str
    version: str = ""
    documents: int
    chunks: int
    recipe: InRecipe

    def info(self) -> CollectionInfo:
        """The domain's."""
        return CollectionInfo(self.name, self.documents, self.chunks, Recipe(**dict(self.recipe)), version=self.version)


class InCollections(In):
    """Answer of `GET /v1/collections`."""

    data: tuple[InCollection, ...]


def filters_body(filters: Filter) -> dict[str, Any]:
    """Conditions as the request says them: one per field. Raises `InvalidRequest` for more, rather than losing one."""
    if len({condition.field for condition in filters}) < len(filters):
        raise InvalidRequest("A remote retriever takes one condition per field.", param="filters")
    return {condition.field: _condition(condition) for condition in filters}


def _condition(condition: Condition) -> Any:
    if condition.any_of:
        return list(condition.any_of)
    bounds = {"gte": condition.at_least, "lte": condition.at_most}
    return {name: value for name, value in bounds.items() if value is not None}
