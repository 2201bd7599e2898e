"""One page or file by its URL, as a source of one document."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tandem.adapters.sources.fetching import fetcher
from tandem.domain.document import RawDocument
from tandem.domain.errors import InvalidRequest
from tandem.ports.source import Listing


@dataclass(frozen=True, slots=True)
class WebRef:
    """A page that was named; its id and source are the URL as it was given. Its server says whether it has changed."""

    id: str
    max_bytes: int
    timeout_s: float
    size: int | None = None
    version: str | None = None

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """Raises `DocumentRejected`: `unreachable`, `too_large`, `timeout`."""
        async with fetcher({usable_url(self.id)}, timeout_s=self.timeout_s) as web:
            return (await web.get(self.id, max_bytes=self.max_bytes, unless=unless)).document(self.id)


@dataclass(frozen=True, slots=True)
class WebSource:
    """`ports/source.py` for a URL."""

    url: str
    max_document_bytes: int = 50_000_000
    timeout_s: float = 60.0

    @property
    def place(self) -> str:
        """The URL."""
        return self.url

    async def listing(self) -> Listing:
        """Raises `InvalidRequest` for what is no URL; the page itself is fetched when its turn comes."""
        usable_url(self.url)
        return Listing((WebRef(self.url, self.max_document_bytes, self.timeout_s),))


def usable_url(url: str) -> str:
    """The host of an http(s) URL. Raises `InvalidRequest` for what is none, and for one that carries a password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise _unusable(url) from error
    if not usable or parts.hostname is None:
        raise _unusable(url)
    if parts.username or parts.password:
        raise InvalidRequest(
            "The URL carries a password, which would be stored as the document's source.", param="path"
        )
    return parts.hostname


def _unusable(url: str) -> InvalidRequest:
    return InvalidRequest(f"{url} is not a usable URL.", param="path")
