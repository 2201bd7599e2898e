"""Jobs handed in at a gateway from this machine, and what the API says became of them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import aiohttp

from e2e.keys import CALLER


def caller() -> aiohttp.ClientSession:
    """A client with the caller's key."""
    return aiohttp.ClientSession(headers={"authorization": f"Bearer {CALLER}"}, connector=aiohttp.TCPConnector(limit=8))


async def submit(url: str, count: int, prefix: str, **more: Any) -> list[str]:
    """So many, each under a key of its own; their ids."""
    async with caller() as http:

        async def one(number: int) -> str:
            body = {
                "messages": [{"role": "user", "content": f"Question {number} of {prefix}?"}],
                "idempotency_key": f"{prefix}-{number}",
                **more,
            }
            async with http.post(f"{url}/v1/jobs", json=body) as reply:
                told = await reply.json()
                assert reply.status == 202, told
                return str(told["id"])

        return list(await asyncio.gather(*map(one, range(count))))


async def jobs(url: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Each as it is now."""
    async with caller() as http:

        async def one(job: str) -> dict[str, Any]:
            async with http.get(f"{url}/v1/jobs/{job}") as reply:
                found: dict[str, Any] = await reply.json()
                assert reply.status == 200, found
                return found

        return list(await asyncio.gather(*map(one, ids)))


async def ended(url: str, ids: Sequence[str], *, within_s: float) -> list[dict[str, Any]]:
    """All of them, once none is open. Raises `AssertionError` after `within_s`."""
    async with asyncio.timeout(within_s):
        while True:
            found = await jobs(url, ids)
            if all(job["status"] not in {"queued", "running"} for job in found):
                return found
            await asyncio.sleep(1)


async def kinds(url: str, job: str) -> list[str]:
    """The kinds of its events, first to last, save tokens."""
    async with caller() as http, http.get(f"{url}/v1/jobs/{job}/events") as reply:
        lines = (await reply.text()).splitlines()
    found = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    return [kind for kind in found if kind != "token"]


def said(job: dict[str, Any]) -> str:
    """The text of its answer."""
    result = job["result"]
    whole = json.loads(result) if isinstance(result, str) else result
    return str(whole["choices"][0]["message"]["content"])
