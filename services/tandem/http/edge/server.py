"""uvicorn with our order of leaving: whoever is being answered hears the end, and nobody keeps the process from it."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from tandem.http.edge.connection import Connection
from tandem.http.edge.door import Door

_log = logging.getLogger("tandem.server")
_POLL_S = 0.05
# For the last words of streams that ran out of time, and then for their tasks to unwind.
_FAREWELL_S = 1.0


class Server(uvicorn.Server):
    """`leave` starts the drain: readiness turns red, `drain_delay_s` passes, the listener closes, running requests get
    `drain_timeout_s`, what still runs then is told so and ended. Calling `leave` again waits for none of it.
    """

    def __init__(self, app: ASGIApp, door: Door, *, drain_delay_s: float, drain_timeout_s: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                # uvicorn calls it like a class.
                http=cast(Any, partial(Connection, door)),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=round(door.limits.keep_alive_s),
            )
        )
        self.listening = asyncio.Event()
        self._door = door
        self._delay_s = drain_delay_s
        self._timeout_s = drain_timeout_s

    def leave(self) -> bool:
        """Start the drain; True when this call did."""
        if self._door.lifecycle.leaving:
            self.should_exit = self.force_exit = True
            return False
        self._door.lifecycle.drain()
        asyncio.get_running_loop().call_later(self._delay_s, self._stop_accepting)
        return True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: whoever runs the server decides what a signal means."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listening.set()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; clients that keep us waiting are looked for once a second."""
        if counter % 10 == 0:
            self._sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let run what runs, then say that time is up, then end it."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in self._connections():
            connection.shutdown()
        if await self._quiet(self._timeout_s, lambda: not self.force_exit):
            return
        _log.warning("stopping with %d requests unfinished", len(self.server_state.tasks))
        self._door.lifecycle.stop()
        self._cancel()
        await self._quiet(_FAREWELL_S)
        for connection in self._connections():
            connection.abort()
        self._cancel()
        if not await self._quiet(_FAREWELL_S):
            _log.error("%d requests did not end when they were cancelled", len(self.server_state.tasks))

    async def _quiet(self, within_s: float, while_: Callable[[], bool] = lambda: True) -> bool:
        """True once nothing runs and nobody is connected."""
        ends_s = asyncio.get_running_loop().time() + within_s
        while self.server_state.connections or self.server_state.tasks:
            if asyncio.get_running_loop().time() >= ends_s or not while_():
                return False
            await asyncio.sleep(_POLL_S)
            self._sweep()
        return True

    def _sweep(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for connection in self._connections():
            connection.sweep(now_s)

    def _cancel(self) -> None:
        for task in tuple(self.server_state.tasks):
            task.cancel()

    def _connections(self) -> tuple[Connection, ...]:
        return cast(tuple[Connection, ...], tuple(self.server_state.connections))

    def _stop_accepting(self) -> None:
        self.should_exit = True
