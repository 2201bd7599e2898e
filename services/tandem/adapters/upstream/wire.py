"""One server's connections: how long each part may take, what a failure of each part is called.

aiohttp, whose CPU per token is a third of huggingface_hub's HTTP client and an eighth of openai's.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

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


class AioReply:
    """`ports/wire.py`'s `Reply` over one response."""

    def __init__(
        self, reply: aiohttp.ClientResponse, context: RequestContext, patience: Patience, clock: Clock
    ) -> None:
        self._reply = reply
        self._context = context
        self._patience = patience
        self._clock = clock

    @property
    def status(self) -> int:
        """As sent."""
        return self._reply.status

    @property
    def content_type(self) -> str:
        """In lower case, without parameters."""
        return _content_type(self._reply)

    async def pieces(self) -> AsyncIterator[bytes]:
        """As they arrive."""
        try:
            async for piece in self._reply.content.iter_any():
                yield piece
        except aiohttp.ClientError as error:
            raise ConnectionResetError(str(error) or type(error).__name__) from error

    async def whole(self) -> Answer:
        """Within the time that a first token has."""
        try:
            body = await begun(lambda: _read(self._reply, _REFUSAL_BYTES), self._patience, self._context, self._clock)
        except aiohttp.ClientError as error:
            raise away(error) from error
        return _answer(self._reply, body, self._clock)


class AioWire:
    """`ports/wire.py` over one pool of connections."""

    def __init__(self, http: aiohttp.ClientSession, root: str, patience: Patience, clock: Clock) -> None:
        self._http = http
        self._root = root
        self._patience = patience
        self._clock = clock
        # DNS is part of it, and so is waiting for a free connection.
        self._timeout = aiohttp.ClientTimeout(total=None, connect=patience.connect_s)

    async def get(self, path: str, *, timeout_s: float) -> Answer:
        """With the connection, within `timeout_s`; its first 4 MB."""
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=self._patience.connect_s)
        try:
            async with self._http.get(self._root + path, timeout=timeout, allow_redirects=False) as reply:
                return _answer(reply, await _read(reply, _DOCUMENT_BYTES), self._clock)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._forget(error)
            raise away(error) from error

    @asynccontextmanager
    async def post(self, path: str, body: bytes, context: RequestContext) -> AsyncIterator[AioReply]:
        """The head within the time that a first token has, the connection within its own."""
        async with AsyncExitStack() as held:
            try:
                reply = await begun(
                    lambda: held.enter_async_context(
                        self._http.post(
                            self._root + path,
                            data=body,
                            headers=request_headers(context, self._clock),
                            timeout=self._timeout,
                            # A redirect could carry prompt and key to a server that nobody configured.
                            allow_redirects=False,
                        )
                    ),
                    self._patience,
                    context,
                    self._clock,
                )
            except aiohttp.ClientError as error:
                self._forget(error)
                raise away(error) from error
            yield AioReply(reply, context, self._patience, self._clock)

    def _forget(self, error: Exception) -> None:
        """The name may lead elsewhere by now: a pod that was replaced refuses at its old address."""
        pool = self._http.connector
        if isinstance(error, aiohttp.ClientConnectorError | TimeoutError) and isinstance(pool, aiohttp.TCPConnector):
            pool.clear_dns_cache()


def away(error: Exception) -> UpstreamUnavailable:
    """Nothing there, or nothing that speaks HTTP."""
    return UpstreamUnavailable(
        f"The predictor cannot be reached: {str(error) or type(error).__name__}.", hint="Check predictor.url."
    )


async def _read(reply: aiohttp.ClientResponse, most: int) -> bytes:
    read = bytearray()
    async for piece in reply.content.iter_any():
        read += piece
        if len(read) >= most:
            break
    return bytes(read[:most])


def _answer(reply: aiohttp.ClientResponse, body: bytes, clock: Clock) -> Answer:
    wait_s = retry_after_s(reply.headers.get("retry-after"), clock.epoch_s())
    return Answer(reply.status, _content_type(reply), body, wait_s)


def _content_type(reply: aiohttp.ClientResponse) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


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
