"""Workers that find each other by one name: a headless Service, whose DNS name has an address for each ready pod."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from tandem.ingestion.shards import WHOLE, Shard

_log = logging.getLogger("tandem.worker")

Resolve = Callable[[str], Awaitable[frozenset[str]]]
"""The addresses of a name, none for a name without any. Raises `OSError` when that cannot be told."""


async def addresses(name: str) -> frozenset[str]:
    """By the system's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
            return frozenset()
        raise
    return frozenset(str(address[0]) for *_, address in found)


class NamedCrew:
    """`Crew`: each worker's share follows from the place of its own address among all of them, in order.

    A pod that drains or is not ready has no address there, so its share falls to the others. This worker always counts,
    also before it is ready. While the name cannot be resolved the last share stands.
    """

    def __init__(self, name: str, own: str, resolve: Resolve = addresses) -> None:
        self._name = name
        self._own = own
        self._resolve = resolve
        self._last = WHOLE

    async def shard(self) -> Shard:
        """This worker's share now."""
        try:
            everybody = sorted(await self._resolve(self._name) | {self._own})
        except OSError as error:
            _log.warning("the other workers cannot be looked up", extra={"name_": self._name, "error": str(error)})
            return self._last
        shard = Shard(everybody.index(self._own), len(everybody))
        if shard != self._last:
            _log.info("the workers changed", extra={"shard": str(shard)})
        self._last = shard
        return shard
