"""What a point carries: the chunk, its tenant, and its document's record, so that one point tells the whole story."""

import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.domain.document import Chunk, DocumentRecord
from tandem.domain.passage import Passage, Scores
from tandem.domain.viewer import Viewer
from tandem.ports.vectors import EmbeddedChunk

DENSE = "dense"
SPARSE = "sparse"

TENANT = "tenant"
# The document's path and every folder above it, so that a prefix is found as a word is.
PATHS = "paths"
# The groups that may see it; empty is everyone of the tenant.
ACL = "acl"
KEYWORD_FIELDS = (
    "document_id",
    "source",
    "title",
    "media_type",
    "language",
    "tags",
    "author",
    PATHS,
    ACL,
    "content",
    "note_of",
)
INTEGER_FIELDS = ("ordinal", "page")
FLOAT_FIELDS = ("created_at", "modified_at")

Payload = Mapping[str, Any]

_SPACE = uuid.UUID("5f0b7c0e-6d3a-5d53-9d0c-3f1c2f6a7b11")


@dataclass(frozen=True, slots=True)
class NewPoint:
    """A point before an engine's own types."""

    id: str
    chunk: EmbeddedChunk | None
    payload: dict[str, Any]


# As the engine gives it: making text of each would cost more than the search in a small collection.
PointId = Hashable


@dataclass(frozen=True, slots=True)
class Hit:
    """A point that a query found. `payload` is None when it was not asked for."""

    id: PointId
    score: float
    payload: Payload | None


def point_id(tenant: str, document_id: str, ordinal: int) -> str:
    """Always the same for the same chunk, so that writing it again replaces it."""
    return str(uuid.uuid5(_SPACE, f"{tenant}\x00{document_id}\x00{ordinal}"))


def note_id(tenant: str, *words: str) -> str:
    """Of what is remembered beside the documents; no chunk has such an id."""
    return str(uuid.uuid5(_SPACE, "\x00".join((tenant, "", *words))))


def new_point(tenant: str, record: DocumentRecord, embedded: EmbeddedChunk) -> NewPoint:
    """The point of one chunk."""
    chunk = embedded.chunk
    payload = {
        TENANT: tenant,
        "document_id": record.id,
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "title_path": list(chunk.title_path),
        "start": chunk.start,
        "end": chunk.end,
        "tokens": chunk.tokens,
        "page": chunk.page,
        **record_payload(record),
    }
    return NewPoint(point_id(tenant, record.id, chunk.ordinal), embedded, payload)


def record_payload(record: DocumentRecord) -> dict[str, Any]:
    """What every point of the document says of it; without its id, which points keep."""
    return {
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
        PATHS: path_prefixes(record.path),
        "acl": list(record.acl),
        "content": record.content,
        "source_version": record.source_version,
        "origin": record.origin,
    }


def path_prefixes(path: str | None) -> list[str]:
    """`a/`, `a/b/` and `a/b/c.md` of `a/b/c.md`."""
    if path is None:
        return []
    folders = path.split("/")[:-1]
    above = ["/".join(folders[:depth]) + "/" for depth in range(1, len(folders) + 1)]
    return above if path.endswith("/") else [*above, path]


def shown(payload: Payload, viewer: Viewer) -> bool:
    """Whether the viewer may see the point: asked of everything on its way out, whatever the engine was asked for."""
    return payload[TENANT] == viewer.tenant and viewer.sees(payload.get(ACL) or ())


def record_of(payload: Payload) -> DocumentRecord:
    """The record of the document that the point belongs to."""
    return DocumentRecord(
        id=payload["document_id"],
        title=payload["title"],
        source=payload["source"],
        media_type=payload["media_type"],
        fingerprint=payload["fingerprint"],
        chunks=payload["chunks"],
        characters=payload["characters"],
        ingested_at=payload["ingested_at"],
        language=payload.get("language"),
        modified_at=payload.get("modified_at"),
        tags=tuple(payload.get("tags") or ()),
        author=payload.get("author"),
        created_at=payload.get("created_at"),
        path=payload.get("path"),
        acl=tuple(payload.get("acl") or ()),
        content=payload.get("content"),
        source_version=payload.get("source_version"),
        origin=payload.get("origin"),
    )


def chunk_of(payload: Payload) -> Chunk:
    """The chunk that the point stands for."""
    return Chunk(
        document_id=payload["document_id"],
        ordinal=payload["ordinal"],
        text=payload["text"],
        title_path=tuple(payload["title_path"]),
        start=payload["start"],
        end=payload["end"],
        tokens=payload["tokens"],
        page=payload.get("page"),
    )


def passage_of(payload: Payload, scores: Scores) -> Passage:
    """The chunk as something found."""
    return Passage(chunk=chunk_of(payload), title=payload["title"], source=payload["source"], scores=scores)


def in_order(payloads: Sequence[Payload]) -> list[Chunk]:
    """The chunks of one document, first to last."""
    return sorted((chunk_of(payload) for payload in payloads), key=lambda chunk: chunk.ordinal)
