"""Jobs of a running Tandem, for the command line."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from tandem.adapters.remote.failures import failure
from tandem.domain.errors import UpstreamFailed, UpstreamUnavailable
from tandem.generation.sse import SseParser

Told = Mapping[str, Any]
_CONNECT_S = 5.0
_AGAIN_S = 1.0


class RemoteJobs:
    """`/v1/jobs` at a URL. Raises what the other side answers with, and `UpstreamUnavailable` when nobody answers."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def submit(self, body: Told) -> Told:
        """The job that came of it."""
        return await self._call("POST", "", body=orjson.dumps(body))

    async def job(self, job_id: str) -> Told:
        """All of it."""
        return await self._call("GET", f"/{quote(job_id, safe='')}")

    async def page(self, **query: str | int | None) -> Told:
        """A page of them."""
        return await self._call(
            "GET", "", query={name: str(value) for name, value in query.items() if value is not None}
        )

    async def cancel(self, job_id: str) -> Told:
        """The job afterwards."""
        return await self._call("DELETE", f"/{quote(job_id, safe='')}")

    async def ended(self, job_id: str, *, timeout_s: float | None = None) -> Told:
        """The job once it has ended, or as it is when the time is up: its events are followed, and looked for again when
        they break off.
        """
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            job = await self.job(job_id)
            if job["ended_at"] is not None:
                return job
            left_s = None if until_s is None else until_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                return job
            try:
                async with asyncio.timeout(left_s):
                    await self._followed(job_id)
            except TimeoutError:
                continue
            except (aiohttp.ClientError, UpstreamUnavailable):
                await asyncio.sleep(_AGAIN_S)

    async def _followed(self, job_id: str) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=60.0)
        parser = SseParser()
        async with self._session.get(
            f"{self._url}/v1/jobs/{quote(job_id, safe='')}/events", timeout=timeout, allow_redirects=False
        ) as reply:
            if reply.status != 200:
                raise failure(reply.status, await reply.read(), reply.headers.get("retry-after"))
            async for piece in reply.content.iter_any():
                parser.feed(piece)

    async def _call(
        self, method: str, path: str, *, body: bytes | None = None, query: Mapping[str, str] | None = None
    ) -> Told:
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            async with self._session.request(
                method, f"{self._url}/v1/jobs{path}", data=body, params=query, headers=headers, allow_redirects=False
            ) as reply:
                content = await reply.read()
                if reply.status not in (200, 202):
                    raise failure(reply.status, content, reply.headers.get("retry-after"))
        except (TimeoutError, aiohttp.ClientError) as error:
            raise UpstreamUnavailable(
                f"No Tandem answers at {self._url}: {str(error) or type(error).__name__}.",
                hint="Is it running, and is the URL right?",
            ) from error
        try:
            told = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed("The answer cannot be read.", hint="Is it a Tandem of this version?") from error
        if not isinstance(told, dict):
            raise UpstreamFailed("The answer cannot be read.", hint="Is it a Tandem of this version?")
        return told


@asynccontextmanager
async def remote_jobs(url: str, *, api_key: str | None = None, timeout_s: float = 30.0) -> AsyncIterator[RemoteJobs]:
    """A gateway at `url`; `timeout_s` bounds each call but following."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield RemoteJobs(session, url)
