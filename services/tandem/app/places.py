"""Where documents come from: the places that users name, opened as the settings say."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tandem.app.settings import Settings
from tandem.ports.source import Source
from tandem.ports.stream import Stream


@asynccontextmanager
async def sources_at(settings: Settings, places: Sequence[str]) -> AsyncIterator[list[Source]]:
    """The folders, repositories, buckets and sites that a user named."""
    from tandem.adapters.sources.place import opened, source_of

    chosen = settings.ingestion
    named = [
        source_of(place, max_document_bytes=chosen.max_document_bytes, interval_s=chosen.site_interval_s)
        for place in places
    ]
    async with opened(named) as ready:
        yield ready


def stream_at(settings: Settings, place: str) -> Stream:
    """The topic that a user named. Raises `ConfigurationError` when what speaks to brokers is not installed."""
    from tandem.adapters.sources.place import stream_of

    return stream_of(place, max_document_bytes=settings.ingestion.max_document_bytes)
