"""Local ports that lead to pods, as `kubectl port-forward` does, except that each connection looks for a pod that is ready.

So whoever comes after a pod has gone is led to the next one; only connections that were open end with it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import aiohttp

from tandem.domain.errors import ConfigurationError, TandemError
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.forwarding import PROTOCOL
from tandem.platform.places import Destination, Place, destination

_DATA = 0
_CHUNK = 64 * 1024
_CONNECT_S = 10.0
_LOOK_S = 2.0
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One local port. `pod` is where the next connection goes, empty while none is ready; `fault` says why."""

    name: str
    url: str
    service: str
    namespace: str
    pod: str = ""
    fault: str = ""


class Tunnels:
    """All of them, while the context of `tunnels` lasts."""

    def __init__(self, cluster: Cluster, session: aiohttp.ClientSession) -> None:
        self._cluster = cluster
        self._session = session
        self._open: dict[Place, Tunnel] = {}

    @property
    def all(self) -> list[Tunnel]:
        """As they are now."""
        return list(self._open.values())

    async def listen(self, place: Place, port: int | None) -> asyncio.Server:
        """On the port, else on the place's own, else, where that is taken, on a free one. Raises `ConfigurationError`."""
        serve = partial(self._serve, place)
        try:
            server = await asyncio.start_server(serve, _HOST, place.local if port is None else port)
        except OSError as error:
            if port is not None:
                raise ConfigurationError(
                    f"Port {port} on {_HOST} cannot be listened on: {error.strerror or error}.",
                    hint=f"Choose another: --port {place.name}=PORT.",
                ) from error
            server = await asyncio.start_server(serve, _HOST, 0)
        number = server.sockets[0].getsockname()[1]
        self._open[place] = Tunnel(place.name, f"http://{_HOST}:{number}", place.service, place.namespace)
        return server

    async def look(self) -> list[Tunnel]:
        """Where each leads now; those that changed."""
        looks = await asyncio.gather(*(asyncio.to_thread(self._where, place) for place in self._open))
        changed = []
        for place, (found, fault) in zip(self._open, looks, strict=True):
            before = self._open[place]
            now = replace(before, pod=found.pod if found else "", fault=fault)
            if now != before:
                self._open[place] = now
                changed.append(now)
        return changed

    def _where(self, place: Place) -> tuple[Destination | None, str]:
        try:
            found = destination(self._cluster, place)
        except Refused as refused:
            return None, refused.message
        except TandemError as error:
            return None, error.message
        return found, "" if found else "no pod behind it is ready"

    async def _serve(self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side closes; where there is no pod, the connection ends at once."""
        try:
            found, _ = await asyncio.to_thread(self._where, place)
            if found is not None:
                await self._carry(place, found, reader, writer)
        except (aiohttp.ClientError, TandemError, OSError, TimeoutError):
            # The one at the other end sees its connection end; the next look tells why.
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _carry(
        self, place: Place, found: Destination, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        way = await asyncio.to_thread(self._cluster.way, place.namespace, found.pod, found.port)
        async with self._session.ws_connect(
            way.url, headers=way.headers, protocols=(PROTOCOL,), ssl=way.ssl, proxy=way.proxy, max_msg_size=0
        ) as wire:
            ways = {asyncio.create_task(_up(reader, wire)), asyncio.create_task(_down(wire, writer))}
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in ways:
                    each.cancel()
                await asyncio.gather(*ways, return_exceptions=True)


async def _up(reader: asyncio.StreamReader, wire: aiohttp.ClientWebSocketResponse) -> None:
    while data := await reader.read(_CHUNK):
        await wire.send_bytes(bytes([_DATA]) + data)


async def _down(wire: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    """The first frame of each channel only repeats the port; whatever comes on the other one is the end."""
    opened: set[int] = set()
    async for message in wire:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            return
        channel, data = message.data[0], message.data[1:]
        if channel not in opened:
            opened.add(channel)
        elif channel == _DATA:
            writer.write(data)
            await writer.drain()
        else:
            return


@contextlib.asynccontextmanager
async def tunnels(cluster: Cluster, places: Sequence[Place], ports: Mapping[str, int]) -> AsyncIterator[Tunnels]:
    """They listen, and their connections end, with the context. `ports` are wished for by name."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, contextlib.AsyncExitStack() as stack:
        made = Tunnels(cluster, session)
        for place in places:
            server = await made.listen(place, ports.get(place.name))
            stack.callback(server.close)
        await made.look()
        yield made


async def changes(made: Tunnels) -> AsyncIterator[Tunnel]:
    """Each whose pod has come, gone or become another, for as long as anybody listens."""
    while True:
        await asyncio.sleep(_LOOK_S)
        for each in await made.look():
            yield each
