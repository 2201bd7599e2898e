"""What the user named on the command line: a URL, a file or a folder."""

from pathlib import Path

from tandem.adapters.sources.folder import FolderSource
from tandem.ports.source import Source


def source_of(place: str, *, max_document_bytes: int = 50_000_000, timeout_s: float = 60.0) -> Source:
    """The source behind a path or an http(s) URL. Nothing is touched yet: `listing()` says whether it is there."""
    if place.lower().startswith(("http://", "https://")):
        # The HTTP client is only loaded by who names a page.
        from tandem.adapters.sources.web import WebSource

        return WebSource(place, max_document_bytes=max_document_bytes, timeout_s=timeout_s)
    return FolderSource(Path(place), max_document_bytes=max_document_bytes)
