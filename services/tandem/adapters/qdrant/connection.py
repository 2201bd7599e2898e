"""Calls to a Qdrant server within their time: reads are made again, once, when a connection that was kept turns out dead."""

import asyncio
import math
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx  # noqa: TID251 - what qdrant-client speaks through; its connections are bounded here
from qdrant_client import AsyncQdrantClient

from tandem.adapters.qdrant.translation import broke, translated
from tandem.domain.errors import UpstreamUnavailable

T = TypeVar("T")

# qdrant-client's own engine in this process, for tests and first tries.
IN_MEMORY = ":memory:"
# A server that was away is found again within so many milliseconds, rather than gRPC's two minutes; a connection that
# silently died is noticed by a ping.
_GRPC = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2_000,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
}


class Connection:
    """`kept` uses its connections again, `fresh` opens one for each call."""

    def __init__(self, kept: AsyncQdrantClient, fresh: AsyncQdrantClient, timeout_s: float) -> None:
        self.kept = kept
        self._fresh = fresh
        self._timeout_s = timeout_s

    async def read(
        self, ask: Callable[[AsyncQdrantClient], Awaitable[T]], collection: str = "", within_s: float | None = None
    ) -> T:
        """What `ask` brings back; it must change nothing. Raises `UpstreamUnavailable` after `timeout_s` at the latest,
        and the rest of what `translated` makes of errors.
        """
        bound_s = self._timeout_s if within_s is None else min(within_s, self._timeout_s)
        try:
            async with asyncio.timeout(bound_s):
                try:
                    async with translated(collection):
                        return await ask(self.kept)
                except UpstreamUnavailable as error:
                    if not broke(error):
                        raise
                async with translated(collection):
                    return await ask(self._fresh)
        except TimeoutError as error:
            raise UpstreamUnavailable(
                f"The Qdrant server did not answer in {bound_s:.1f} s.",
                hint="Is it overloaded? vectors.timeout_s bounds one call.",
            ) from error


class _Connecting(httpx.AsyncHTTPTransport):
    """Gives a connection up soon, and tries a second time: behind one name are the nodes of a cluster, and where one of them is
    gone the next try mostly reaches another.
    """

    def __init__(self, within_s: float, max_kept: int) -> None:
        super().__init__(retries=1, limits=httpx.Limits(max_connections=None, max_keepalive_connections=max_kept))
        self._within_s = within_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`."""
        request.extensions["timeout"]["connect"] = self._within_s
        return await super().handle_async_request(request)


@asynccontextmanager
async def connected(
    url: str,
    *,
    api_key: str | None,
    grpc_port: int | None,
    timeout_s: float,
    max_kept: int,
    connect_timeout_s: float = 2.0,
) -> AsyncIterator[Connection]:
    """A connection to the server at `url`, made when first used; `max_kept` idle connections stay open."""
    kept = _client(url, api_key, grpc_port, timeout_s, connect_timeout_s, max_kept)
    fresh = kept if url == IN_MEMORY else _client(url, api_key, grpc_port, timeout_s, connect_timeout_s, 0)
    try:
        yield Connection(kept, fresh, timeout_s)
    finally:
        await kept.close()
        if fresh is not kept:
            await fresh.close()


def _client(
    url: str, api_key: str | None, grpc_port: int | None, timeout_s: float, connect_timeout_s: float, max_kept: int
) -> AsyncQdrantClient:
    if url == IN_MEMORY:
        return AsyncQdrantClient(location=IN_MEMORY)
    more: dict[str, Any] = {}
    if grpc_port is None:
        more["transport"] = _Connecting(min(connect_timeout_s, timeout_s), max_kept)
    with warnings.catch_warnings():
        # A key over plain HTTP is the operator's choice inside a cluster, and said in the documentation.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return AsyncQdrantClient(
            url=url,
            api_key=api_key,
            prefer_grpc=grpc_port is not None,
            grpc_port=grpc_port or 6334,
            grpc_options={**_GRPC, "grpc.min_reconnect_backoff_ms": math.ceil(1000 * connect_timeout_s)},
            timeout=math.ceil(timeout_s),
            # It would warn about every server more than one minor version away; what is used here is settled API.
            check_compatibility=False,
            **more,
        )
