"""Files and batches of a running Tandem, or of whoever else speaks OpenAI's API for them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, BinaryIO
from urllib.parse import quote

import aiohttp
import orjson

from tandem.adapters.remote.failures import failure
from tandem.domain.errors import InvalidRequest, NotServed, UpstreamFailed, UpstreamUnavailable

Told = Mapping[str, Any]
_CONNECT_S = 5.0
_SILENT_S = 120.0


class RemoteBatches:
    """Raises what the other side answers with, and `UpstreamUnavailable` when nobody answers."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def upload(self, name: str, file: BinaryIO) -> str:
        """The id of the file, for batches. Raises `NotServed` where none are taken."""
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", file, filename=name, content_type="application/jsonl")
        try:
            told = await self._call("POST", "/v1/files", data=form)
        except InvalidRequest as error:
            if error.message == "There is nothing here.":
                raise NotServed(
                    f"{self._url} takes no batches.", hint="Stop it and run the command again, or update it."
                ) from error
            raise
        return str(told["id"])

    async def create(self, file_id: str, endpoint: str) -> Told:
        """The batch of that file."""
        body = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": "24h"}
        return await self._call("POST", "/v1/batches", data=orjson.dumps(body))

    async def batch(self, batch_id: str) -> Told:
        """How far it is."""
        return await self._call("GET", f"/v1/batches/{quote(batch_id, safe='')}")

    async def cancel(self, batch_id: str) -> Told:
        """What runs of it ends soon."""
        return await self._call("POST", f"/v1/batches/{quote(batch_id, safe='')}/cancel")

    async def lines(self, file_id: str) -> AsyncIterator[bytes]:
        """The file's lines. Raises `UpstreamUnavailable` when it breaks off."""
        rest = b""
        try:
            async with self._session.get(
                f"{self._url}/v1/files/{quote(file_id, safe='')}/content", allow_redirects=False
            ) as reply:
                if reply.status != 200:
                    raise failure(reply.status, await reply.read(), reply.headers.get("retry-after"))
                async for piece in reply.content.iter_any():
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in whole:
                        yield line + b"\n"
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._away(error) from error
        if rest:
            yield rest + b"\n"

    async def _call(self, method: str, path: str, data: bytes | aiohttp.FormData | None = None) -> Told:
        headers = {"content-type": "application/json"} if isinstance(data, bytes) else {}
        try:
            async with self._session.request(
                method, f"{self._url}{path}", data=data, headers=headers, allow_redirects=False
            ) as reply:
                content = await reply.read()
                if reply.status not in (200, 201, 202):
                    raise failure(reply.status, content, reply.headers.get("retry-after"))
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._away(error) from error
        try:
            told = orjson.loads(content)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict) or "id" not in told:
            raise UpstreamFailed("The answer cannot be read.", hint="Is it a Tandem of this version?")
        return told

    def _away(self, error: Exception) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            f"No Tandem answers at {self._url}: {str(error) or type(error).__name__}.",
            hint="Is it running, and is the URL right?",
        )


@asynccontextmanager
async def remote_batches(url: str, *, api_key: str | None = None) -> AsyncIterator[RemoteBatches]:
    """A gateway at `url`. A file takes as long as it takes: only silence is bounded."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield RemoteBatches(session, url)
