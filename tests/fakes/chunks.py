"""Documents made up from words: their vectors are the words', so that what is near is known."""

import hashlib
import math
from collections.abc import Sequence

from tandem.domain.document import Chunk, DocumentRecord, Recipe
from tandem.domain.filters import Filter
from tandem.ports.embedder import SparseVector
from tandem.ports.vectors import EmbeddedChunk, VectorQuery

DIMENSIONS = 32
RECIPE = Recipe(embedder="words@1", dimensions=DIMENSIONS, sparse="words@1", chunker="lines@1")


def dense(text: str) -> list[float]:
    """The sum of a fixed direction per word, of length 1; texts that share words are near."""
    sums = [0.0] * DIMENSIONS
    for word in text.split():
        digest = hashlib.sha256(word.encode()).digest()
        for axis in range(DIMENSIONS):
            sums[axis] += digest[axis] - 127.5
    length = math.sqrt(sum(each * each for each in sums)) or 1.0
    return [each / length for each in sums]


def sparse(text: str) -> SparseVector:
    """One dimension per word, weight 1."""
    indices = sorted({int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") for word in text.split()})
    return SparseVector(tuple(indices), (1.0,) * len(indices))


def embedded(document_id: str, texts: Sequence[str]) -> list[EmbeddedChunk]:
    """One chunk per text."""
    chunks = []
    start = 0
    for ordinal, text in enumerate(texts):
        chunk = Chunk(
            document_id=document_id,
            ordinal=ordinal,
            text=text,
            title_path=(document_id, f"Part {ordinal}"),
            start=start,
            end=start + len(text),
            tokens=len(text.split()),
            page=ordinal + 1 if ordinal % 2 else None,
        )
        chunks.append(EmbeddedChunk(chunk, dense(text), sparse(text)))
        start += len(text) + 1
    return chunks


def record(document_id: str, texts: Sequence[str], **changes: object) -> DocumentRecord:
    """The record of a document of these texts."""
    fields: dict[str, object] = {
        "id": document_id,
        "title": f"About {document_id}",
        "source": f"file:///{document_id}",
        "media_type": "text/plain",
        "fingerprint": hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        "chunks": len(texts),
        "characters": sum(map(len, texts)),
        "ingested_at": 1_700_000_000.25,
        "language": "en",
        "modified_at": 1_600_000_000.5,
        "tags": ("guide",),
        "author": None,
        "created_at": 1_500_000_000.25,
        "path": f"folder/{document_id}",
        "acl": (),
    }
    return DocumentRecord(**(fields | changes))  # type: ignore[arg-type]


def query(text: str, *, tenant: str = "acme", limit: int = 10, filters: Filter = ()) -> VectorQuery:
    """A question of these words."""
    return VectorQuery(tenant=tenant, dense=dense(text), sparse=sparse(text), limit=limit, filters=filters)
