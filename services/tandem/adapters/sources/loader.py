"""The `Loader` of every supported format, each document read in a process of its own making."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.reader import Reader
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected

# Raise it when a reader gives other text for the same bytes: documents are then ingested again.
_VERSION = 2


class FormatLoader:
    """`ports/loader.py` over a few reading processes; more loads than processes wait their turn."""

    def __init__(self, limits: LoadLimits, workers: int) -> None:
        self._limits = limits
        self._readers = [Reader(limits) for _ in range(workers)]
        self._idle: asyncio.LifoQueue[Reader] = asyncio.LifoQueue()
        for reader in self._readers:
            self._idle.put_nowait(reader)

    @property
    def name(self) -> str:
        """Part of a document's fingerprint."""
        return f"formats@{_VERSION}"

    async def load(self, document: RawDocument) -> LoadedDocument:
        """Raises `DocumentRejected`; hostile bytes cost at most the limits and one reading process."""
        if len(document.body) > self._limits.document_bytes:
            raise DocumentRejected(
                f"The document has {len(document.body):,} bytes; {self._limits.document_bytes:,} are allowed.",
                reason="too_large",
                hint="Split it, or raise ingestion.max_document_bytes.",
            )
        reader = await self._idle.get()
        try:
            answer = await reader.read(document)
        finally:
            self._idle.put_nowait(reader)
        if "reason" in answer:
            raise DocumentRejected(answer["message"], reason=answer["reason"], hint=answer["hint"])
        return LoadedDocument(
            title=answer["title"],
            text=answer["text"],
            media_type=answer["media_type"],
            language=answer["language"],
            pages=tuple(answer["pages"]),
            author=answer["author"],
            created_at=answer["created_at"],
            modified_at=answer["modified_at"],
            tags=tuple(answer["tags"]),
        )

    async def close(self) -> None:
        """End every reading process."""
        for reader in self._readers:
            await reader.close()


@asynccontextmanager
async def document_loader(
    *,
    max_document_bytes: int = 50_000_000,
    max_text_chars: int = 10_000_000,
    timeout_s: float = 60.0,
    memory_mb: int = 1024,
    workers: int = 2,
) -> AsyncIterator[FormatLoader]:
    """A loader; its reading processes start with the first documents and end with the context."""
    loader = FormatLoader(LoadLimits(max_document_bytes, max_text_chars, timeout_s, memory_mb), workers)
    try:
        yield loader
    finally:
        await loader.close()
