"""What the user named on the command line: a URL, a repository, a bucket, a site, a file or a folder."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tandem.adapters.sources.folder import FolderSource
from tandem.domain.errors import ConfigurationError
from tandem.ports.source import Source
from tandem.ports.stream import Stream

_GIT = "git+"
_SITEMAP = "sitemap:"
_OBJECTS = ("s3://", "s3a://", "gs://", "gcs://", "az://", "abfs://", "abfss://", "memory://")
_STREAMS = ("kafka://", "kafkas://")
_SITEMAP_FILES = ("sitemap.xml", "sitemap.xml.gz", "sitemap_index.xml")


def source_of(
    place: str, *, max_document_bytes: int = 50_000_000, timeout_s: float = 60.0, interval_s: float = 0.5
) -> Source:
    """The source behind a place. Nothing is touched yet: `listing()` says whether it is there.

    `timeout_s` bounds one page, `interval_s` lies between two of a site. Raises `ConfigurationError` when it needs an
    extra that is not installed. Each kind is only loaded by who names one.
    """
    kind = place.lower()
    if kind.startswith(_STREAMS):
        with _extra("kafka", place):
            from tandem.adapters.sources.kafka_record import RecordSource

            return RecordSource(place, max_document_bytes=max_document_bytes)
    if kind.startswith(_GIT):
        with _extra("git", place):
            from tandem.adapters.sources.git import GitSource

            return GitSource(place, max_document_bytes=max_document_bytes)
    if kind.startswith(_OBJECTS):
        with _extra("objects", place):
            from tandem.adapters.sources.objects import ObjectSource

            return ObjectSource(place, max_document_bytes=max_document_bytes)
    if kind.startswith(_SITEMAP) or _is_sitemap(kind):
        from tandem.adapters.sources.sitemap import SitemapSource

        return SitemapSource(place, max_document_bytes=max_document_bytes, timeout_s=timeout_s, interval_s=interval_s)
    if kind.startswith(("http://", "https://")):
        from tandem.adapters.sources.web import WebSource

        return WebSource(place, max_document_bytes=max_document_bytes, timeout_s=timeout_s)
    return FolderSource(Path(place), max_document_bytes=max_document_bytes)


def stream_of(place: str, *, max_document_bytes: int = 50_000_000) -> Stream:
    """The stream behind `kafka://HOST:PORT,…/TOPIC?group=NAME`. Raises `InvalidRequest`, `ConfigurationError` as above."""
    with _extra("kafka", place):
        from tandem.adapters.sources.kafka import KafkaStream
        from tandem.adapters.sources.kafka_place import kafka_place

        return KafkaStream(kafka_place(place), max_document_bytes=max_document_bytes)


def is_followed(place: str) -> bool:
    """True for a stream as a whole, which has no listing; one record of it has."""
    return place.lower().startswith(_STREAMS) and "offset=" not in place


@asynccontextmanager
async def opened(sources: Sequence[Source]) -> AsyncIterator[list[Source]]:
    """The sources; what they fetched or connected is put away afterwards."""
    async with AsyncExitStack() as stack:
        for source in sources:
            if (put_away := getattr(source, "aclose", None)) is not None:
                stack.push_async_callback(put_away)
        yield list(sources)


@contextmanager
def _extra(name: str, place: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(
            f"{place} needs the package {error.name}, which is not installed.", hint=f"pip install 'tandem-rag[{name}]'"
        ) from error


def _is_sitemap(kind: str) -> bool:
    if not kind.startswith(("http://", "https://")):
        return False
    try:
        return urlsplit(kind).path.endswith(_SITEMAP_FILES)
    except ValueError:
        return False
