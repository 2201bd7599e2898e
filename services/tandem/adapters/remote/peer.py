"""One Tandem as seen from another: the connection, the headers that travel, and failures in our own terms."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import yarl

from tandem.adapters.remote.failures import failure
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, TandemError, UpstreamUnavailable

_CONNECT_S = 2.0
# Larger bodies are sent in pieces, so that the event loop is not held up by one.
_AT_ONCE = 1_000_000
# The peer is told a little less than what is left: when the time runs out there, its answer, which knows the stage, must
# still be in time here.
_WAY_BACK_SHARE = 0.1
_WAY_BACK_S = 0.1


@dataclass(frozen=True, slots=True)
class Connections:
    """`kept` are used again and again; `fresh` ones for one call each."""

    kept: aiohttp.ClientSession
    fresh: aiohttp.ClientSession


class Peer:
    """Calls to one base URL. A call ends at `timeout_s` or at the request's deadline, whichever is nearer.

    `stage` is what its failures say they were needed for. `as_peer`: each call names the tenant and the groups that it is
    made for; else the key's own count there.
    """

    def __init__(
        self, connections: Connections, url: str, now_s: Callable[[], float], stage: str, *, as_peer: bool = True
    ) -> None:
        self._connections = connections
        self._url = url.rstrip("/")
        self._now_s = now_s
        self._stage = stage
        self._as_peer = as_peer

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
        reads: bool = False,
    ) -> bytes:
        """The answer's body. `path` is already percent-encoded.

        A call that only `reads` is made once more, on a connection of its own, when its connection broke: a peer that
        was restarted has closed those that were kept. Raises `UpstreamUnavailable`, `DeadlineExceeded`,
        `UpstreamFailed`, or the error that the peer answered with.
        """
        url = yarl.URL(self._url + path, encoded=True)
        if query:
            url = url.update_query({name: value for name, value in query.items() if value is not None})
        left_s = self._left_s(context)
        if left_s is not None and left_s <= 0:
            raise DeadlineExceeded(self._stage)
        limit = asyncio.timeout(timeout_s if left_s is None else min(timeout_s, left_s))
        try:
            async with limit:
                try:
                    return await self._send(self._connections.kept, method, url, context, body, media_type)
                except aiohttp.ClientError as error:
                    if not (reads and _broken(error)):
                        raise
                    return await self._send(self._connections.fresh, method, url, context, body, media_type)
        except TimeoutError as error:
            if left_s is not None and left_s <= timeout_s and limit.expired():
                raise DeadlineExceeded(self._stage) from error
            waited_s = timeout_s if limit.expired() else _CONNECT_S
            raise self._away(f"did not answer in {waited_s:.1f} s") from error
        except aiohttp.ClientError as error:
            raise self._away(f"cannot be reached: {str(error) or type(error).__name__}") from error

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: yarl.URL,
        context: RequestContext | None,
        body: bytes | None,
        media_type: str | None,
    ) -> bytes:
        async with session.request(
            method,
            url,
            data=body if body is None or len(body) < _AT_ONCE else io.BytesIO(body),
            headers=_headers(context, self._left_s(context), media_type, as_peer=self._as_peer),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            # A redirect could carry the key to another host.
            allow_redirects=False,
        ) as reply:
            content = await reply.read()
            if reply.status != 200:
                raise failure(reply.status, content, reply.headers.get("retry-after"))
            return content

    def _left_s(self, context: RequestContext | None) -> float | None:
        return None if context is None or context.deadline_s is None else context.deadline_s - self._now_s()

    def _away(self, what: str) -> TandemError:
        return UpstreamUnavailable(
            f"The retriever at {self._url} {what}.", hint="Is it running, and is the URL right?", stage=self._stage
        )


def _broken(error: aiohttp.ClientError) -> bool:
    """True when a connection that stood went away; False when none could be made, or when what came was no HTTP."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | aiohttp.ClientPayloadError)


@asynccontextmanager
async def peer(
    url: str, api_key: str | None, now_s: Callable[[], float] = time.monotonic, *, stage: str, as_peer: bool = True
) -> AsyncIterator[Peer]:
    """A peer with its connections, closed on leaving."""
    # Admission bounds the requests; a second bound here would only queue them out of sight.
    async with (
        _session(api_key, aiohttp.TCPConnector(limit=0)) as kept,
        _session(api_key, aiohttp.TCPConnector(limit=0, force_close=True)) as fresh,
    ):
        yield Peer(Connections(kept, fresh), url, now_s, stage, as_peer=as_peer)


def _session(api_key: str | None, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    return aiohttp.ClientSession(connector=connector, headers=headers, cookie_jar=aiohttp.DummyCookieJar())


def json_body(content: Mapping[str, Any]) -> bytes:
    """A JSON body; what is None is left out."""
    return orjson.dumps({name: value for name, value in content.items() if value is not None})


def _headers(
    context: RequestContext | None, left_s: float | None, media_type: str | None, *, as_peer: bool
) -> dict[str, str]:
    headers = {"content-type": media_type or "application/octet-stream"}
    if context is not None:
        headers["x-request-id"] = context.request_id
        if as_peer:
            headers["x-tandem-tenant"] = context.tenant
            # Said also when there are none: then nobody may take the key's own for the caller's.
            headers["x-tandem-groups"] = ",".join(quote(group, safe="") for group in context.groups)
        if context.span is not None:
            headers["traceparent"] = context.span.traceparent
            if context.span.state is not None:
                headers["tracestate"] = context.span.state
    if left_s is not None:
        told_s = left_s - min(left_s * _WAY_BACK_SHARE, _WAY_BACK_S)
        headers["x-request-timeout-ms"] = str(max(1, int(told_s * 1000)))
    return headers
