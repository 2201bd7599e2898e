"""One server that is being asked, from the first word to the last."""

import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from tandem.domain.generation import GenerationEvent
from tandem.generation.breaker import Attempt
from tandem.generation.endpoints import Endpoint

Stream = AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]


class Asking:
    """One server that is being asked; `events` once it has `begun`.

    A context to be left then; when it did not begin, `left` says that it is over, behind the verdict on the attempt.
    """

    __slots__ = ("_endpoint", "_stream", "attempt", "begun", "events")

    def __init__(self, endpoint: Endpoint, stream: Stream) -> None:
        self._endpoint = endpoint
        self._stream = stream
        self.attempt: Attempt = endpoint.breaker.enter()
        self.events: AsyncIterator[GenerationEvent]
        self.begun = False
        endpoint.running += 1

    async def begin(self) -> None:
        """Until the first event is there. What raises has left the stream as well."""
        events = await self._stream.__aenter__()
        try:
            self.events = _Resumed(await anext(events), events)
            self.begun = True
        finally:
            if not self.begun:
                await self._stream.__aexit__(*sys.exc_info())

    def left(self) -> None:
        """It is over."""
        self._endpoint.running -= 1
        self.attempt.ended()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._stream.__aexit__(kind, error, trace)
        finally:
            self.left()


class _Resumed:
    """Events whose first one was taken already; hands out the rest without a step of its own."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: GenerationEvent, rest: AsyncIterator[GenerationEvent]) -> None:
        self._first: GenerationEvent | None = first
        self._rest = rest

    def __aiter__(self) -> "_Resumed":
        return self

    def __anext__(self) -> Awaitable[GenerationEvent]:
        if self._first is None:
            return self._rest.__anext__()
        return self._begin()

    async def _begin(self) -> GenerationEvent:
        first, self._first = self._first, None
        if first is None:
            raise StopAsyncIteration
        return first
