"""One page at a time over HTTP: redirects bounded, no private address unless the user named its host, never too much."""

import ipaddress
import socket
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected

AGENT = "tandem"
MAX_REDIRECTS = 5
_CONNECT_S = 10.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, read whole. `url` is where the redirects led."""

    url: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def version(self) -> str | None:
        """The server's word for these bytes."""
        return self.headers.get("ETag") or self.headers.get("Last-Modified")

    @property
    def modified_at(self) -> float | None:
        """Epoch seconds, as far as the server says."""
        try:
            return parsedate_to_datetime(self.headers["Last-Modified"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return None

    def document(self, name: str) -> RawDocument | None:
        """The page under the URL it was asked by; None when it is the same as before. Raises `DocumentRejected`."""
        if self.status == 304:
            return None
        if self.status != 200:
            raise DocumentRejected(f"{name} answered {self.status} {self.reason}.", reason="unreachable")
        return RawDocument(
            name,
            self.body,
            name,
            self.headers.get("Content-Type"),
            modified_at=self.modified_at,
            version=self.version,
        )


class Fetcher:
    """GET over one session. `named` are the hosts that the user named: only those may be at a private address."""

    def __init__(self, session: aiohttp.ClientSession, named: Collection[str]) -> None:
        self._session = session
        self._named = named

    async def get(self, url: str, *, max_bytes: int, unless: str | None = None) -> Fetched:
        """Raises `DocumentRejected`: `unreachable`, `too_large`, `timeout`. 304 comes for what still is `unless`."""
        at = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                self._check(at)
                async with self._session.get(at, allow_redirects=False, headers=_condition(unless)) as response:
                    if response.status not in _REDIRECTS or "Location" not in response.headers:
                        body = await _body(response, url, max_bytes)
                        return Fetched(at, response.status, response.reason or "", dict(_titled(response)), body)
                    at = urljoin(at, response.headers["Location"])
        except TimeoutError as error:
            raise DocumentRejected(f"{url} did not answer in time.", reason="timeout") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise DocumentRejected(f"{url} cannot be fetched: {error}.", reason="unreachable") from error
        raise DocumentRejected(f"{url} redirects more than {MAX_REDIRECTS} times.", reason="unreachable")

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"it leads to {url[:200]!r}, which is no web address")
        if parts.hostname not in self._named and is_private(parts.hostname):
            raise ValueError(f"it leads to the private address {parts.hostname}")


@asynccontextmanager
async def fetcher(named: Collection[str], *, timeout_s: float) -> AsyncIterator[Fetcher]:
    """`timeout_s` bounds one request as a whole."""
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
    connector = aiohttp.TCPConnector(resolver=_Guarded(named), limit=16)
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, headers={"User-Agent": AGENT}, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Fetcher(session, named)


def is_private(host: str) -> bool:
    """True for an address, written out, that is not of the public internet; names are looked up by the resolver."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    return not address.is_global or address.is_multicast


class _Guarded(AbstractResolver):
    """Refuses names that lead to private addresses at the very look-up that is then connected to."""

    def __init__(self, named: Collection[str]) -> None:
        self._inner = ThreadedResolver()
        self._named = named

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if host not in self._named and any(is_private(each["host"]) for each in found):
            raise OSError(None, f"{host} is at a private address")
        return found

    async def close(self) -> None:
        await self._inner.close()


async def _body(response: aiohttp.ClientResponse, url: str, max_bytes: int) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(65_536):
        body += piece
        if len(body) > max_bytes:
            raise DocumentRejected(f"{url} is larger than {max_bytes:,} bytes.", reason="too_large")
    return bytes(body)


def _condition(unless: str | None) -> dict[str, str]:
    if unless is None:
        return {}
    # An entity tag is in quotes; anything else that we keep is a date.
    return {"If-None-Match" if unless.endswith('"') else "If-Modified-Since": unless}


def _titled(response: aiohttp.ClientResponse) -> Any:
    return ((name.title() if name.lower() != "etag" else "ETag", value) for name, value in response.headers.items())
