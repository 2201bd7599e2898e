"""Bytes to text."""

from typing import Protocol

from tandem.domain.document import LoadedDocument, RawDocument


class Loader(Protocol):
    """Turns any supported format into normalised text."""

    @property
    def name(self) -> str:
        """What this is, with its version: part of a document's fingerprint."""
        ...

    async def load(self, document: RawDocument) -> LoadedDocument:
        """Raises `DocumentRejected` with a reason; hostile bytes cost bounded time and memory."""
        ...
