"""An `asyncio.Event` without a waiting room: that one's takes most of a kilobyte, and hardly ever does anybody wait twice."""

import asyncio


class Bell:
    """Rung, it stays rung until it is cleared."""

    __slots__ = ("_rung", "_waiting")

    def __init__(self) -> None:
        self._rung = False
        self._waiting: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """True between ringing and clearing."""
        return self._rung

    def set(self) -> None:
        """Ring: whoever waits goes on."""
        self._rung = True
        waiting, self._waiting = self._waiting, None
        for future in waiting or ():
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        """Whoever waits from now on waits for the next time."""
        self._rung = False

    async def wait(self) -> bool:
        """Returns once it was rung."""
        if not self._rung:
            future = asyncio.get_running_loop().create_future()
            self._waiting = [*(self._waiting or ()), future]
            await future
        return True
