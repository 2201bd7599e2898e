"""Host names looked up beside the event loop, and beside the threads that everything else shares."""

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future

from aiohttp.abc import AbstractResolver, ResolveResult

# Family, protocol and address, of which IPv6 has two more parts: flow and scope.
Found = tuple[socket.AddressFamily, int, tuple[str | int | bytes, ...]]
Lookup = Callable[[str, int, socket.AddressFamily], list[Found]]


def system_lookup(host: str, port: int, family: socket.AddressFamily) -> list[Found]:
    """What the system says, after the time it takes. Raises `OSError`."""
    rows = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [(found, proto, address) for found, _, proto, _, address in rows]


class OwnThreadResolver(AbstractResolver):
    """A thread for each look-up, ended with the process.

    The loop's own pool has a handful of threads: a name server that does not answer would hold them all, and with them
    embedding and the reading of documents. The connector asks for a name once at a time, so threads do not pile up.
    """

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of the name. Raises `OSError`."""
        return [
            ResolveResult(
                hostname=host,
                host=_numeric(address),
                port=port,
                family=found,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, proto, address in await self._found(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing is held: a look-up under way ends by itself and tells nobody."""

    async def _found(self, host: str, port: int, family: socket.AddressFamily) -> list[Found]:
        told: Future[list[Found]] = Future()
        # From here on it cannot be cancelled, only be left: the system's call has no way to be stopped.
        told.set_running_or_notify_cancel()

        def look() -> None:
            try:
                told.set_result(self._lookup(host, port, family))
            except (OSError, UnicodeError) as error:
                told.set_exception(error if isinstance(error, OSError) else OSError(f"no host name: {host}"))

        threading.Thread(target=look, name=f"resolve {host}", daemon=True).start()
        return await asyncio.wrap_future(told)


def _numeric(address: tuple[str | int | bytes, ...]) -> str:
    """A link-local IPv6 address keeps its interface, without which it leads nowhere."""
    host, scope = str(address[0]), address[3] if len(address) == 4 else 0
    return f"{host}%{scope}" if isinstance(scope, int) and scope and "%" not in host else host
