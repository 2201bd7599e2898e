"""Work in the background ends when its slot is wanted back, wherever it is."""

import asyncio
from types import TracebackType
from typing import Self

from tandem.domain.errors import Preempted, TandemError


class Yielding:
    """A context of the task that does the work: `wanted` cancels it, and leaving raises `Preempted` then.

    The cancellation comes from the loop, never from a step of the task itself, so it meets the task inside the context.
    """

    __slots__ = ("_before", "_cancelled", "_soon", "_task")

    def __init__(self) -> None:
        self._cancelled = False
        self._soon: asyncio.Handle | None = None

    def wanted(self) -> None:
        """Somebody waits for the slot."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._cancel)

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("work in the background needs a task")
        self._task, self._before = task, task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._soon is not None:
            self._soon.cancel()
        if not self._cancelled:
            return
        # Somebody else may have cancelled it, too: that counts more.
        alone = self._task.uncancel() <= self._before
        if isinstance(error, TandemError) or (alone and isinstance(error, asyncio.CancelledError)):
            raise Preempted("It gave its place to somebody who waits for an answer.", hint="Ask again.") from error

    def _cancel(self) -> None:
        self._cancelled = True
        self._task.cancel()


class Unyielding:
    """The same for a request that somebody waits for."""

    __slots__ = ()

    def wanted(self) -> None:
        """Its slot is never wanted back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever was raised goes on."""
