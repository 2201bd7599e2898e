"""One page or file by its URL, as a source of one document."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp

from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import Listing

_MAX_REDIRECTS = 5
_CONNECT_S = 10.0
_OK = 200


@dataclass(frozen=True, slots=True)
class WebRef:
    """A page that was named; its id and source are the URL as it was given."""

    id: str
    max_bytes: int
    timeout_s: float
    size: int | None = None
    version: str | None = None

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """Raises `DocumentRejected`: `unreachable`, `too_large`, `timeout`."""
        timeout = aiohttp.ClientTimeout(total=self.timeout_s, sock_connect=_CONNECT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "tandem"}) as session,
                session.get(self.id, max_redirects=_MAX_REDIRECTS) as response,
            ):
                return await self._document(response)
        except TimeoutError as error:
            raise DocumentRejected(f"{self.id} did not answer in {self.timeout_s:g} s.", reason="timeout") from error
        except aiohttp.TooManyRedirects as error:
            raise DocumentRejected(
                f"{self.id} redirects more than {_MAX_REDIRECTS} times.", reason="unreachable"
            ) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise DocumentRejected(f"{self.id} cannot be fetched: {error}.", reason="unreachable") from error

    async def _document(self, response: aiohttp.ClientResponse) -> RawDocument:
        if response.status != _OK:
            raise DocumentRejected(f"{self.id} answered {response.status} {response.reason}.", reason="unreachable")
        body = bytearray()
        async for piece in response.content.iter_chunked(65_536):
            body += piece
            if len(body) > self.max_bytes:
                raise DocumentRejected(f"{self.id} is larger than {self.max_bytes:,} bytes.", reason="too_large")
        media_type = response.headers.get("Content-Type")
        return RawDocument(self.id, bytes(body), self.id, media_type, modified_at=_modified(response))


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
        try:
            parts = urlsplit(self.url)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise _unusable(self.url) from error
        if not usable:
            raise _unusable(self.url)
        if parts.username or parts.password:
            raise InvalidRequest(
                "The URL carries a password, which would be stored as the document's source.", param="path"
            )
        return Listing((WebRef(self.url, self.max_document_bytes, self.timeout_s),))


def _unusable(url: str) -> InvalidRequest:
    return InvalidRequest(f"{url} is not a usable URL.", param="path")


def _modified(response: aiohttp.ClientResponse) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Last-Modified"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None
