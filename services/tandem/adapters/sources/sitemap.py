"""A site by its sitemap, as a source of documents: robots.txt respected, its pages fetched one after the other."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser

from tandem.adapters.sources.fetching import Fetched, fetcher
from tandem.adapters.sources.manners import Polite
from tandem.adapters.sources.origin import origin
from tandem.adapters.sources.walk import Sieve
from tandem.adapters.sources.web import usable_url
from tandem.domain.document import IngestOutcome, RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import Listing

PREFIX = "sitemap:"
# The protocol's own bounds of one file.
_MAX_BYTES = 52_428_800
_MAX_PAGES = 50_000
_MAX_FILES = 200
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Entry:
    """A page as the sitemap tells of it; `changed` is its `lastmod`, word for word."""

    url: str
    changed: str | None


@dataclass(frozen=True, slots=True)
class PageRef:
    """A page of the site; its id and source are its URL."""

    id: str
    polite: Polite
    max_bytes: int
    origin: str
    version: str | None = None
    size: int | None = None

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """Raises `DocumentRejected`: `forbidden`, `unreachable`, `too_large`, `timeout`."""
        if self.version is not None and self.version == unless:
            return None
        fetched = await self.polite.get(self.id, max_bytes=self.max_bytes, unless=unless)
        page = fetched.document(self.id)
        if page is None:
            return None
        # The sitemap's word decides whether it is asked for again.
        return replace(
            page,
            modified_at=page.modified_at or _instant(self.version),
            version=self.version or page.version,
            origin=self.origin,
        )


class SitemapSource:
    """`ports/source.py` for `sitemap:URL`. A site without a path has its sitemaps named by its robots.txt.

    Only pages of the sitemap's own host are taken, as the protocol has it. The session lasts until `aclose`.
    """

    def __init__(
        self,
        place: str,
        *,
        max_document_bytes: int = 50_000_000,
        timeout_s: float = 60.0,
        interval_s: float = 0.5,
    ) -> None:
        self._url = place.removeprefix(PREFIX)
        self._max_bytes = max_document_bytes
        self._timeout_s = timeout_s
        self._interval_s = interval_s
        self._closing = AsyncExitStack()

    @property
    def place(self) -> str:
        """`sitemap:` and the URL."""
        return f"{PREFIX}{self._url}"

    async def listing(self) -> Listing:
        """Raises `InvalidRequest` when the sitemap cannot be had or is none. A part that cannot be had is a fault."""
        host = usable_url(self._url)
        polite = Polite(
            await self._closing.enter_async_context(fetcher({host}, timeout_s=self._timeout_s)), self._interval_s
        )
        mark, sieve = origin("sitemap", self._url), Sieve()
        entries: dict[str, Entry] = {}
        faults: list[IngestOutcome] = []
        async for found in self._entries(polite, faults):
            if urlsplit(found.url).hostname == host and sieve.takes(_name(found.url)):
                entries.setdefault(found.url, found)
            if len(entries) > _MAX_PAGES:
                raise InvalidRequest(f"{self._url} names more than {_MAX_PAGES:,} pages.", param="path")
        refs = tuple(
            PageRef(entry.url, polite, self._max_bytes, mark, _exact(entry.changed)) for entry in entries.values()
        )
        return Listing(refs, faults=tuple(faults), skipped=dict(sieve.skipped), complete=not faults, origin=mark)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._closing.aclose()

    async def _entries(self, polite: Polite, faults: list[IngestOutcome]) -> AsyncIterator[Entry]:
        waiting = [self._url]
        if urlsplit(self._url).path in {"", "/"}:
            waiting = await polite.sitemaps(self._url) or [self._url.rstrip("/") + "/sitemap.xml"]
        first, seen = len(waiting), set[str]()
        while waiting:
            url = waiting.pop(0)
            if url in seen:
                continue
            seen.add(url)
            if len(seen) > _MAX_FILES:
                raise InvalidRequest(f"{self._url} leads to more than {_MAX_FILES} sitemaps.", param="path")
            try:
                others, pages = await asyncio.to_thread(_read, await self._file(polite, url))
            except DocumentRejected as error:
                if len(seen) <= first:
                    raise InvalidRequest(f"{error.message}", hint=error.hint, param="path") from error
                faults.append(IngestOutcome(url, "failed", reason=error.reason, message=error.message))
                continue
            waiting += others
            for page in pages:
                yield page

    async def _file(self, polite: Polite, url: str) -> Fetched:
        found = await polite.get(url, max_bytes=_MAX_BYTES)
        if found.status != 200:
            raise DocumentRejected(f"{url} answered {found.status} {found.reason}.", reason="unreachable")
        return found


def _read(found: Fetched) -> tuple[list[str], list[Entry]]:
    """Further sitemaps, and pages. Read as a browser would: a sitemap that is not quite XML tells its pages all the same."""
    parsed = LexborHTMLParser(_unpacked(found).decode("utf-8", "replace"))
    others = [text for node in parsed.css("sitemap > loc") if (text := node.text(strip=True))]
    pages = []
    for node in parsed.css("url"):
        place = node.css_first("loc")
        changed = node.css_first("lastmod")
        if place is not None and (url := place.text(strip=True)):
            pages.append(Entry(url.partition("#")[0], changed.text(strip=True) if changed is not None else None))
    if not others and not pages:
        raise DocumentRejected(f"{found.url} is no sitemap: it names no page.", reason="damaged")
    return others, pages


def _unpacked(found: Fetched) -> bytes:
    if not found.body.startswith(_GZIP):
        return found.body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(found.body)) as packed:
            body = packed.read(_MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise DocumentRejected(f"{found.url} is damaged.", reason="damaged") from error
    if len(body) > _MAX_BYTES:
        raise DocumentRejected(f"{found.url} unfolds to too much.", reason="too_large")
    return body


def _name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2] or "index.html"


def _exact(changed: str | None) -> str | None:
    """A day is not exact enough to say that nothing has changed since."""
    return changed if changed is not None and "T" in changed and _instant(changed) is not None else None


def _instant(changed: str | None) -> float | None:
    try:
        return None if changed is None else datetime.fromisoformat(changed).timestamp()
    except ValueError:
        return None
