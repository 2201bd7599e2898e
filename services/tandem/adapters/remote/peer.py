"""One Tandem as seen from another: the connection, the headers that travel, and failures in our own terms."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import yarl

from tandem.adapters.remote.failures import failure
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, UpstreamUnavailable

_CONNECT_S = 2.0


class Peer:
    """Calls to one base URL. A call ends at `timeout_s` or at the request's deadline, whichever is nearer."""

    def __init__(self, session: aiohttp.ClientSession, url: str, now_s: Callable[[], float]) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._now_s = now_s

    async def call(
        self,
        method: str,
        path: str,
        context: RequestContext | None = None,
        *,
        timeout_s: float,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        media_type: str | None = None,
    ) -> bytes:
        """The answer's body. `path` is already percent-encoded.

        Raises `UpstreamUnavailable`, `DeadlineExceeded`, `UpstreamFailed`, or the error that the peer answered with.
        """
        left_s = None if context is None or context.deadline_s is None else context.deadline_s - self._now_s()
        if left_s is not None and left_s <= 0:
            raise DeadlineExceeded("retrieval")
        url = yarl.URL(self._url + path, encoded=True)
        if query:
            url = url.update_query({name: value for name, value in query.items() if value is not None})
        limit_s = timeout_s if left_s is None else min(timeout_s, left_s)
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers=_headers(context, left_s, media_type),
                timeout=aiohttp.ClientTimeout(total=limit_s, sock_connect=_CONNECT_S),
                # A redirect could carry the key to another host.
                allow_redirects=False,
            ) as reply:
                content = await reply.read()
                if reply.status != 200:
                    raise failure(reply.status, content, reply.headers.get("retry-after"))
                return content
        except TimeoutError as error:
            if limit_s == left_s:
                raise DeadlineExceeded("retrieval") from error
            raise UpstreamUnavailable(f"The retriever at {self._url} did not answer in {limit_s:.1f} s.") from error
        except aiohttp.ClientError as error:
            raise UpstreamUnavailable(
                f"The retriever at {self._url} cannot be reached: {str(error) or type(error).__name__}.",
                hint="Is it running, and is the URL right?",
            ) from error


@asynccontextmanager
async def peer(url: str, api_key: str | None, now_s: Callable[[], float] = time.monotonic) -> AsyncIterator[Peer]:
    """A peer with its connections, closed on leaving."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    # Admission bounds the requests; a second bound here would only queue them out of sight.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Peer(session, url, now_s)


def json_body(content: Mapping[str, Any]) -> bytes:
    """A JSON body; what is None is left out."""
    return orjson.dumps({name: value for name, value in content.items() if value is not None})


def _headers(context: RequestContext | None, left_s: float | None, media_type: str | None) -> dict[str, str]:
    headers = {"content-type": media_type or "application/octet-stream"}
    if context is not None:
        headers["x-request-id"] = context.request_id
        headers["x-tandem-tenant"] = context.tenant
        if context.traceparent is not None:
            headers["traceparent"] = context.traceparent
    if left_s is not None:
        headers["x-request-timeout-ms"] = str(max(1, int(left_s * 1000)))
    return headers
