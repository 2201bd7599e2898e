"""Whether a client keeps up with what it is sent: uvicorn's flow control, which costs a waiting room only while one waits."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """An `asyncio.Event` has a queue of its own, a kilobyte; most clients never make anybody wait."""

    __slots__ = ("_room", "_transport", "read_paused", "write_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False
        self._room: asyncio.Event | None = None

    async def drain(self) -> None:
        """Returns once there is room again, or the connection is gone."""
        if self.write_paused:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    def pause_writing(self) -> None:
        """No room."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """Room, or nobody to send to any more."""
        self.write_paused = False
        if self._room is not None:
            self._room.set()
            self._room = None
