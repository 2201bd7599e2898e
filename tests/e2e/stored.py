"""What a collection holds, as its gateway tells it."""

from typing import Any

import aiohttp

from e2e.keys import CALLER


async def content(url: str, collection: str) -> dict[str, Any]:
    """Every document with its chunks, none while there is no such collection; without the times when it and its file were made."""
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {CALLER}"}) as session:
        found: dict[str, Any] = {}
        for name in await _names(session, url, collection):
            async with session.get(f"{url}/v1/documents/{name}", params={"collection": collection}) as reply:
                document = await reply.json()
            # Each pod's volume has times of its own.
            for time in ("ingested_at", "modified_at"):
                document.pop(time, None)
            found[name] = document
    return found


async def names(url: str, collection: str) -> list[str]:
    """The ids of its documents, none while there is no such collection."""
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {CALLER}"}) as session:
        return await _names(session, url, collection)


async def _names(session: aiohttp.ClientSession, url: str, collection: str) -> list[str]:
    listing = session.get(f"{url}/v1/documents", params={"collection": collection, "limit": 1000})
    async with listing as reply:
        return [record["id"] for record in (await reply.json()).get("data", [])]
