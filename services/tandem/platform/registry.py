"""Whether a registry has an image, asked from here without credentials, as any client asks."""

import asyncio
from collections.abc import Iterable

import aiohttp

from tandem.adapters.models.oci_registry import Image, RegistryRefused, Repository, parsed, session

_TIMEOUT_S = 5.0
_OUTCOMES = {401: "denied", 403: "denied", 404: "absent"}


def answers(images: Iterable[str]) -> list[tuple[str, str, str]]:
    """Each image with `ok`, `absent`, `denied` or `unreachable`, and its registry. One that does not answer is asked once."""
    return asyncio.run(_answers(images))


async def _answers(images: Iterable[str]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    away: set[str] = set()
    async with session(_TIMEOUT_S) as http:
        for image in images:
            wanted = parsed(image)
            outcome = "unreachable"
            try:
                if wanted.registry not in away:
                    outcome = await _asked(http, wanted)
            except (aiohttp.ClientError, TimeoutError):
                # One that answers, if only that it is busy, may know of the next image.
                away.add(wanted.registry)
            found.append((image, outcome, wanted.registry))
    return found


async def _asked(http: aiohttp.ClientSession, image: Image) -> str:
    try:
        await Repository(http, image).has(image.reference)
    except RegistryRefused as refused:
        return _OUTCOMES.get(refused.status, "unreachable")
    return "ok"
