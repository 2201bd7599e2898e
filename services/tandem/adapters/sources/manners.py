"""How a crawler behaves: robots.txt is asked first, and no host is asked more often than it likes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from protego import Protego

from tandem.adapters.sources.fetching import AGENT, Fetched, Fetcher
from tandem.domain.errors import DocumentRejected

_MAX_ROBOTS_BYTES = 500_000
_MAX_DELAY_S = 60.0
_EVERYTHING = Protego.parse("")
_NOTHING = Protego.parse("User-agent: *\nDisallow: /")


class Polite:
    """GET with manners. `interval_s`: between two requests to one host, unless its robots.txt asks for more."""

    def __init__(
        self,
        fetcher: Fetcher,
        interval_s: float,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._fetcher = fetcher
        self._interval_s = interval_s
        self._now_s = now_s
        self._sleep = sleep
        self._rules: dict[str, Protego] = {}
        # Why a host's robots.txt could not be had.
        self._faults: dict[str, str] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._next_s: dict[str, float] = {}

    async def get(self, url: str, *, max_bytes: int, unless: str | None = None) -> Fetched:
        """Raises `DocumentRejected`: `forbidden` by robots.txt, and the fetcher's."""
        rules = await self._rules_of(url)
        if (fault := self._faults.get(_site(url))) is not None:
            raise DocumentRejected(f"{url} may not be read while its robots.txt cannot be: {fault}", reason="forbidden")
        if not rules.can_fetch(url, AGENT):
            raise DocumentRejected(f"{url}: robots.txt of {urlsplit(url).hostname} forbids it.", reason="forbidden")
        await self._turn(url, min(max(self._interval_s, rules.crawl_delay(AGENT) or 0.0), _MAX_DELAY_S))
        return await self._fetcher.get(url, max_bytes=max_bytes, unless=unless)

    async def sitemaps(self, url: str) -> list[str]:
        """Those that the host's robots.txt names."""
        return list((await self._rules_of(url)).sitemaps)

    async def _rules_of(self, url: str) -> Protego:
        site = _site(url)
        async with self._asking.setdefault(site, asyncio.Lock()):
            if site not in self._rules:
                self._rules[site] = await self._asked(f"{site}/robots.txt")
            return self._rules[site]

    async def _asked(self, url: str) -> Protego:
        """RFC 9309: a file that is not there allows everything, one that cannot be had forbids everything."""
        await self._turn(url, self._interval_s)
        try:
            found = await self._fetcher.get(url, max_bytes=_MAX_ROBOTS_BYTES)
        except DocumentRejected as error:
            return self._nothing(url, error.message)
        if found.status == 200:
            return Protego.parse(found.body.decode("utf-8", "replace"))
        return _EVERYTHING if 400 <= found.status < 500 else self._nothing(url, f"it was answered {found.status}.")

    def _nothing(self, url: str, fault: str) -> Protego:
        self._faults[_site(url)] = fault
        return _NOTHING

    async def _turn(self, url: str, interval_s: float) -> None:
        """Wait until the host may be asked again; who comes meanwhile waits behind."""
        site, now_s = _site(url), self._now_s()
        at_s = max(now_s, self._next_s.get(site, now_s))
        self._next_s[site] = at_s + interval_s
        if at_s > now_s:
            await self._sleep(at_s - now_s)


def _site(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
