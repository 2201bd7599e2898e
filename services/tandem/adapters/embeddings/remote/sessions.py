"""The connections to an embedding server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tandem.adapters.embeddings.remote.posts import Pause, Posts, Waits


@asynccontextmanager
async def posting(url: str, api_key: str | None, waits: Waits, at_once: int, pause: Pause) -> AsyncIterator[Posts]:
    """Connects when first used; closed on leaving."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Posts(session, url, waits, at_once, pause)
