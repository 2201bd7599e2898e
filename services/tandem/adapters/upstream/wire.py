"""One server's connections: how long each part may take, what a failure of each part is called.

aiohttp, whose CPU per token is a third of huggingface_hub's HTTP client and an eighth of openai's.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from weakref import WeakSet

import aiohttp

from tandem.adapters.upstream.exchange import Exchange
from tandem.adapters.upstream.posting import Posting
from tandem.adapters.upstream.resolver import Lookup, OwnThreadResolver, system_lookup
from tandem.domain.context import RequestContext
from tandem.domain.errors import ConfigurationError, UpstreamUnavailable
from tandem.generation.chat import request_headers
from tandem.generation.retry_after import retry_after_s
from tandem.generation.streaming import Patience, begun
from tandem.ports.clock import Clock
from tandem.ports.wire import Answer

# What an answer in place of a stream may say; a gateway's error page is no reason to fill the memory.
_REFUSAL_BYTES = 64 * 1024
# Metrics of a server, or the models of a cloud.
_DOCUMENT_BYTES = 4 * 1024 * 1024
# How long a name's addresses are trusted. After a failed connection they are asked for again at once.
_ADDRESS_TTL_S = 10
_KEPT_ALIVE_S = 30
# Connections that turn out to be closed before another one is taken as it is. A server that closes while it answers
# closes one for each request; it must not be asked as often as connections are kept.
_STALE = 2
# A server that closes a kept connection later than this was at work on the request: asking again is a retry like any other,
# for those to decide who count them.
_STALE_S = 1.0


class AioReply:
    """`ports/wire.py`'s `Reply` over one exchange."""

    __slots__ = ("_clock", "_context", "_exchange", "_patience")

    def __init__(self, exchange: Exchange, context: RequestContext, patience: Patience, clock: Clock) -> None:
        self._exchange = exchange
        self._context = context
        self._patience = patience
        self._clock = clock

    @property
    def status(self) -> int:
        """As sent."""
        return self._exchange.status

    @property
    def content_type(self) -> str:
        """In lower case, without parameters."""
        return _content_type(self._exchange.headers)

    @property
    def first(self) -> bool:
        """True where no other came before on its connection."""
        return self._exchange.first

    def pieces(self) -> AsyncIterator[bytes]:
        """As they arrive."""
        return self._exchange

    async def whole(self) -> Answer:
        """Within the time that a first token has."""
        try:
            body = await begun(
                lambda: _read(self._exchange, _REFUSAL_BYTES), self._patience, self._context, self._clock
            )
        except ConnectionError as error:
            raise away(error) from error
        return _answer(self._exchange.status, self._exchange.headers, body, self._clock)


class AioWire:
    """`ports/wire.py` over one pool of connections."""

    def __init__(self, http: aiohttp.ClientSession, root: str, patience: Patience, clock: Clock) -> None:
        self._http = http
        self._root = root
        self._patience = patience
        self._clock = clock
        # DNS is part of it, and so is waiting for a free connection.
        self._timeout = aiohttp.ClientTimeout(total=None, connect=patience.connect_s)
        self._requests: dict[str, Posting] = {}
        self._used: WeakSet[object] = WeakSet()

    async def get(self, path: str, *, timeout_s: float) -> Answer:
        """With the connection, within `timeout_s`; its first 4 MB."""
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=self._patience.connect_s)
        try:
            async with self._http.get(self._root + path, timeout=timeout, allow_redirects=False) as reply:
                body = await _read(reply.content.iter_any(), _DOCUMENT_BYTES)
                return _answer(reply.status, reply.headers, body, self._clock)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._forget(error)
            raise away(error) from error

    @asynccontextmanager
    async def post(self, path: str, body: bytes, context: RequestContext) -> AsyncIterator[AioReply]:
        """The head within the time that a first token has, the connection within its own.

        A redirect is not followed: it could carry prompt and key to a server that nobody configured.
        """
        exchange = await self._begun(path, body, context)
        # It has left: written by orjson it takes 16 KB, whatever its length, for as long as the answer lasts.
        del body
        try:
            yield AioReply(exchange, context, self._patience, self._clock)
        finally:
            exchange.leave()

    async def _begun(self, path: str, body: bytes, context: RequestContext) -> Exchange:
        try:
            return await begun(lambda: self._asked(path, body, context), self._patience, context, self._clock)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._forget(error)
            raise away(error) from error

    async def _asked(self, path: str, body: bytes, context: RequestContext) -> Exchange:
        """A kept connection that the server has just closed tells nothing of the server: another one is taken."""
        request = self._requests.get(path)
        if request is None:
            request = self._requests[path] = Posting(self._http, self._root + path)
        sent = request.head(request_headers(context, self._clock), len(body)) + body
        for _ in range(_STALE):
            connection = await request.connection(self._timeout)
            if connection.protocol is None or connection.protocol.should_close:
                # Something came on it that nobody asked for.
                connection.close()
                continue
            kept = connection.protocol in self._used
            sent_s = self._clock.monotonic_s()
            try:
                return await self._headed(connection, sent)
            except aiohttp.ServerDisconnectedError:
                if not kept or self._clock.monotonic_s() - sent_s > _STALE_S:
                    raise
        return await self._headed(await request.connection(self._timeout), sent)

    async def _headed(self, connection: aiohttp.connector.Connection, sent: bytes) -> Exchange:
        exchange = Exchange(connection, self._patience.interval_s, first=connection.protocol not in self._used)
        if connection.protocol is not None:
            self._used.add(connection.protocol)
        try:
            await exchange.head(sent)
        except BaseException:
            exchange.leave()
            raise
        return exchange

    def _forget(self, error: Exception) -> None:
        """The name may lead elsewhere by now: a pod that was replaced refuses at its old address."""
        pool = self._http.connector
        if isinstance(error, aiohttp.ClientConnectorError | TimeoutError) and isinstance(pool, aiohttp.TCPConnector):
            pool.clear_dns_cache()


def away(error: Exception) -> UpstreamUnavailable:
    """Nothing there, or nothing that speaks HTTP."""
    return UpstreamUnavailable(
        f"The predictor cannot be reached: {str(error) or type(error).__name__}.",
        hint="Is it running, and is its URL right?",
    )


async def _read(pieces: AsyncIterator[bytes], most: int) -> bytes:
    read = bytearray()
    async for piece in pieces:
        read += piece
        if len(read) >= most:
            break
    return bytes(read[:most])


def _answer(status: int, headers: Mapping[str, str], body: bytes, clock: Clock) -> Answer:
    wait_s = retry_after_s(headers.get("retry-after"), clock.epoch_s())
    return Answer(status, _content_type(headers), body, wait_s)


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


@asynccontextmanager
async def upstream_wire(
    url: str,
    *,
    api_key: str | None,
    patience: Patience,
    clock: Clock,
    connections: int = 0,
    lookup: Lookup = system_lookup,
) -> AsyncIterator[AioWire]:
    """`url` is the server's root, with or without `/v1`. No limit on `connections` unless one is given: how many requests
    run is decided before they come here.

    Raises `ConfigurationError` for a key that no header can carry.
    """
    # A key read from a file often ends with its line.
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("The predictor's API key holds characters that no header can carry.")
    headers = {"accept-encoding": "identity", **({"authorization": f"Bearer {key}"} if key else {})}
    pool = aiohttp.TCPConnector(
        limit=connections,
        keepalive_timeout=_KEPT_ALIVE_S,
        ttl_dns_cache=_ADDRESS_TTL_S,
        resolver=OwnThreadResolver(lookup),
    )
    async with aiohttp.ClientSession(connector=pool, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield AioWire(http, url.rstrip("/").removesuffix("/v1"), patience, clock)
