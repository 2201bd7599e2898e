"""An event loop whose sleeping takes no time: it jumps to the next thing that is due."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
_EPOCH_S = 1_767_225_600.0


class _Jumping(selectors.DefaultSelector):
    """Counts the seconds that it was asked to wait instead of waiting."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen: every task waits for another")
        self.passed_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumping.passed_s


class LoopClock:
    """The running loop's time as a clock."""

    def monotonic_s(self) -> float:
        """Seconds since the loop was made."""
        return asyncio.get_running_loop().time()

    def epoch_s(self) -> float:
        """Seconds since 1970."""
        return _EPOCH_S + self.monotonic_s()


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; all that it sleeps is skipped."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_told(work))


async def _told(work: Coroutine[Any, Any, T]) -> T:
    faults: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    found = await work
    if faults:
        raise RuntimeError(f"the loop was told of a fault: {faults[0]}")
    return found
