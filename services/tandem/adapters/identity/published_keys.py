"""An identity provider's public keys (RFC 7517): fetched, kept for a time, fetched again when an unknown one is named."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp
import orjson

from tandem.domain.errors import Unauthenticated, UpstreamUnavailable
from tandem.ports.clock import Clock

_log = logging.getLogger("tandem.auth")
_FETCH_S = 5.0
_MAX_BYTES = 1_000_000
# A symmetric key could sign as well as check: whoever can read a published one could make tokens.
_ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})

Jwk = Mapping[str, Any]


class ProviderMeter(Protocol):
    """Where the provider's state is shown; `observe/metrics.py` is one."""

    def identity_provider(self, *, up: bool) -> None:
        """Its keys could be fetched at the last attempt, or not."""
        ...


class PublishedKeys:
    """The keys at `url`.

    Fetched anew every `cache_s`, and when a token names an unknown one, but not sooner than `refetch_s` after the last
    attempt, whoever asks. While the provider is down the last good ones count until they are `max_age_s` old.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        clock: Clock,
        meter: ProviderMeter,
        *,
        cache_s: float,
        max_age_s: float,
        refetch_s: float,
    ) -> None:
        self._session = session
        self._url = url
        self._clock = clock
        self._meter = meter
        self._cache_s = cache_s
        self._max_age_s = max_age_s
        self._refetch_s = refetch_s
        self._keys: tuple[Jwk, ...] = ()
        self._fetched_s: float | None = None
        self._attempted_s: float | None = None
        self._fetching = asyncio.Lock()

    async def key(self, kid: str | None) -> Jwk:
        """The key of that id; without an id, the only one there is.

        Raises `Unauthenticated` when there is none, `UpstreamUnavailable` when that cannot be told.
        """
        if (found := self._find(kid)) is not None and self._fresh():
            return found
        await self._fetch_unless_tried()
        if not self._fresh():
            raise UpstreamUnavailable(
                "Tokens cannot be checked now: the identity provider's keys cannot be fetched.",
                hint="Try again after Retry-After seconds.",
            )
        if (found := self._find(kid)) is not None:
            return found
        if self._fetched_s != self._attempted_s:
            raise UpstreamUnavailable(
                "This token cannot be checked now: its key is not known, and the provider's keys cannot be fetched.",
                hint="Try again after Retry-After seconds.",
            )
        if kid is None:
            raise Unauthenticated("The token does not name the key that signed it.", hint="It needs a kid header.")
        raise Unauthenticated(
            "The token was signed with a key that its provider does not publish.", hint="Get a new token."
        )

    async def keep_fresh(self) -> None:
        """Fetch before anybody has to wait for it. Runs beside the server for as long as it serves."""
        while True:
            await asyncio.sleep(self._cache_s if self._fetched_s == self._attempted_s else self._refetch_s)
            await self.fetch()

    async def fetch(self) -> None:
        """Replaces the keys by those that are published now; leaves them when that fails."""
        async with self._fetching:
            await self._fetch()

    async def _fetch_unless_tried(self) -> None:
        async with self._fetching:
            # Checked while holding the lock: of many that wait here only the first one fetches.
            if self._attempted_s is None or self._clock.monotonic_s() - self._attempted_s >= self._refetch_s:
                await self._fetch()

    async def _fetch(self) -> None:
        attempted_s = self._attempted_s = self._clock.monotonic_s()
        try:
            self._keys = await self._published()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            _log.error("the identity provider's keys cannot be fetched (%s: %s)", type(error).__name__, error)
            self._meter.identity_provider(up=False)
        else:
            self._fetched_s = attempted_s
            self._meter.identity_provider(up=True)

    async def _published(self) -> tuple[Jwk, ...]:
        timeout = aiohttp.ClientTimeout(total=_FETCH_S)
        # A redirect could lead to keys of someone else.
        async with self._session.get(self._url, timeout=timeout, allow_redirects=False) as reply:
            if reply.status != 200:
                raise ValueError(f"status {reply.status}")
            # Whole or longer than allowed: a limit on what is read at once would cut it short.
            content = bytearray()
            async for piece in reply.content.iter_any():
                content += piece
                if len(content) > _MAX_BYTES:
                    raise ValueError(f"more than {_MAX_BYTES} bytes")
        published = orjson.loads(content)
        listed = published.get("keys") if isinstance(published, dict) else None
        usable = tuple(key for key in listed if _usable(key)) if isinstance(listed, list) else ()
        if not usable:
            raise ValueError("no usable key in it")
        return usable

    def _find(self, kid: str | None) -> Jwk | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.get("kid") == kid), None)

    def _fresh(self) -> bool:
        return self._fetched_s is not None and self._clock.monotonic_s() - self._fetched_s <= self._max_age_s


def _usable(key: object) -> bool:
    return isinstance(key, dict) and key.get("kty") in _ASYMMETRIC and key.get("use", "sig") == "sig"


@asynccontextmanager
async def published_keys(
    url: str,
    clock: Clock,
    meter: ProviderMeter,
    *,
    cache_s: float = 300.0,
    max_age_s: float = 86_400.0,
    refetch_s: float = 10.0,
) -> AsyncIterator[PublishedKeys]:
    """Fetched once before it is handed out; a provider that is down now is asked again later."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        keys = PublishedKeys(session, url, clock, meter, cache_s=cache_s, max_age_s=max_age_s, refetch_s=refetch_s)
        await keys.fetch()
        yield keys
