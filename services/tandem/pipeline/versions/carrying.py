"""A stored document from one version of its collection to the next, without its bytes."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace

from tandem.domain.document import Chunk, DocumentRecord, LoadedDocument, Recipe
from tandem.ingestion.chunking import Chunker
from tandem.ingestion.fingerprint import content_of, made_by
from tandem.pipeline.embedding import Embedding
from tandem.ports.vectors import Vectors


class Carrying:
    """Into versions of this recipe. What the recipes have in common is taken over: chunks, and their vectors."""

    def __init__(
        self, vectors: Vectors, embedding: Embedding, chunker: Chunker, *, recipe: Recipe, loader: str
    ) -> None:
        self._vectors = vectors
        self._embedding = embedding
        self._chunker = chunker
        self._recipe = recipe
        self._loader = loader

    async def carry(self, source: str, made: Recipe, target: str, tenant: str, record: DocumentRecord) -> None:
        """One document from `source`, which was `made` so, whatever its access list."""
        stored = await self._vectors.embedded(source, tenant, record.id)
        if not stored:
            # Deleted since it was listed.
            return
        if made == self._recipe:
            await self._vectors.replace_document(target, tenant, record, stored)
            return
        chunks = [each.chunk for each in stored]
        if made.chunker != self._recipe.chunker:
            loaded = _loaded(record, chunks)
            chunks = list(await asyncio.to_thread(self._chunker.chunks, record.id, loaded))
        vectors_fit = replace(made, chunker=self._recipe.chunker) == self._recipe
        embedded, _ = await self._embedding.embedded(chunks, stored if vectors_fit else ())
        await self._vectors.replace_document(target, tenant, self._told(record, made, len(chunks)), embedded)

    def _told(self, record: DocumentRecord, made: Recipe, chunks: int) -> DocumentRecord:
        """The record under this recipe. What is cut anew from the stored text is read anew once its source is."""
        mine = made_by(self._recipe, self._loader)
        content = hashlib.sha256(f"{content_of(record.fingerprint)} by {mine}".encode()).hexdigest()
        before, _, version = (record.source_version or "").partition(":")
        still = before == made_by(made, self._loader) and made.chunker == self._recipe.chunker
        return replace(
            record,
            fingerprint=record.fingerprint.replace(content_of(record.fingerprint), content, 1),
            content=content,
            chunks=chunks,
            source_version=f"{mine}:{version}" if still else None,
        )


def _loaded(record: DocumentRecord, chunks: Sequence[Chunk]) -> LoadedDocument:
    """The document's text from its chunks: together they hold every character that is not blank, at its place."""
    ordered = sorted(chunks, key=lambda each: each.start)
    parts: list[str] = []
    at = 0
    for chunk in ordered:
        parts.append("\n" * (chunk.start - at))
        parts.append(chunk.text[max(0, at - chunk.start) :])
        at = max(at, chunk.end)
    return LoadedDocument(
        title=record.title,
        text="".join(parts),
        media_type=record.media_type,
        language=record.language,
        pages=_pages(ordered),
    )


def _pages(ordered: Sequence[Chunk]) -> tuple[int, ...]:
    """Where each page starts, as far as chunks tell: an empty page starts with the one after it."""
    starts: list[int] = []
    for chunk in ordered:
        starts += [chunk.start] * ((chunk.page or 0) - len(starts))
    return tuple([0, *starts[1:]] if starts else ())
