"""Releases of a running Tandem, for the command line."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from tandem.adapters.remote.failures import failure
from tandem.domain.errors import UpstreamFailed, UpstreamUnavailable

Told = dict[str, Any]
_CONNECT_S = 5.0
# A promotion asks its collection's golden questions, and takes over what was written meanwhile.
_PATIENCE_S = 600.0


class RemoteReleases:
    """`/v1/releases` at a URL. Raises what the other side answers with, and `UpstreamUnavailable` when nobody answers."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def create(self, body: Mapping[str, Any]) -> Told:
        """It is tried from now on."""
        return await self._call("POST", "", body)

    async def all(self) -> Told:
        """All of them."""
        return await self._call("GET", "")

    async def status(self, name: str) -> Told:
        """One, with its measures."""
        return await self._call("GET", f"/{quote(name, safe='')}")

    async def change(self, name: str, how: str, body: Mapping[str, Any]) -> Told:
        """`split`, `promote` or `rollback`; the release afterwards."""
        return await self._call("POST", f"/{quote(name, safe='')}/{how}", body)

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Told:
        headers = {} if body is None else {"content-type": "application/json"}
        data = None if body is None else orjson.dumps(body)
        try:
            async with self._session.request(
                method, f"{self._url}/v1/releases{path}", data=data, headers=headers, allow_redirects=False
            ) as reply:
                content = await reply.read()
                if reply.status != 200:
                    raise failure(reply.status, content, reply.headers.get("retry-after"))
        except (TimeoutError, aiohttp.ClientError) as error:
            raise UpstreamUnavailable(
                f"No Tandem answers at {self._url}: {str(error) or type(error).__name__}.",
                hint="Is it up? --url names another.",
            ) from error
        try:
            told: Told = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed(f"What answers at {self._url} is no Tandem.", hint="Check --url.") from error
        return told


@asynccontextmanager
async def remote_releases(url: str, *, api_key: str | None = None) -> AsyncIterator[RemoteReleases]:
    """Releases at `url`, which is not called yet."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S, sock_connect=_CONNECT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield RemoteReleases(session, url)
