"""A predictor's byte stream as generation events, within the time that each part of it may take."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import GenerationEvent
from tandem.generation.chat import ChatEvents, cut
from tandem.generation.sse import SseParser
from tandem.ports.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until a connection stands, until the first token, between two tokens."""

    connect_s: float = 2.0
    first_token_s: float = 60.0
    idle_s: float = 15.0


async def begun(ask: Callable[[], Awaitable[T]], patience: Patience, context: RequestContext, clock: Clock) -> T:
    """What `ask` comes back with, for what precedes the stream: a server that accepts and then says nothing has no
    longer than the first token has. Raises `UpstreamUnavailable`, `DeadlineExceeded`, and what `ask` raises.
    """
    wait = _Wait(clock.monotonic_s() + patience.first_token_s, context.deadline_s, spoken=False)
    return await _bounded(ask, wait, clock)


async def generation_events(
    pieces: AsyncIterator[bytes], events: ChatEvents, patience: Patience, context: RequestContext, clock: Clock
) -> AsyncIterator[GenerationEvent]:
    """Tokens, then the end. `pieces` raises `ConnectionError` when the connection breaks.

    Silence or a break before the first token raises `UpstreamUnavailable` (another endpoint may be asked), later
    `UpstreamFailed`; the request's own deadline raises `DeadlineExceeded`. A stream that ends early raises, it never
    just ends.
    """
    parser = SseParser()
    spoken = False
    waiting_since_s = clock.monotonic_s()
    while True:
        patience_s = patience.idle_s if spoken else patience.first_token_s
        wait = _Wait(waiting_since_s + patience_s, context.deadline_s, spoken)
        try:
            piece = await _next(pieces, wait, clock)
        except ConnectionError as error:
            raise cut(spoken=spoken, how=f": {error}") from error
        for data in [] if piece is None else _parsed(parser, piece):
            for event in events.take(data):
                spoken = True
                yield event
                # Counted from here: whoever reads slowly has not kept the predictor waiting, nor it them.
                waiting_since_s = clock.monotonic_s()
        if events.done:
            return
        if piece is None:
            for event in events.end():
                yield event
            return


@dataclass(frozen=True, slots=True)
class _Wait:
    """For the next token: until patience or the request's deadline ends, whichever is first."""

    patience_ends_s: float
    deadline_s: float | None
    spoken: bool

    @property
    def ends_s(self) -> float:
        return self.patience_ends_s if self.deadline_s is None else min(self.patience_ends_s, self.deadline_s)

    def failure(self) -> TandemError:
        """What it means that no token came."""
        if self.deadline_s is not None and self.deadline_s <= self.patience_ends_s:
            return DeadlineExceeded("generation")
        if self.spoken:
            return UpstreamFailed("The predictor stopped in mid-answer.")
        return UpstreamUnavailable("The predictor sent no token in time.")


async def _next(pieces: AsyncIterator[bytes], wait: _Wait, clock: Clock) -> bytes | None:
    """The next piece, None at the end. Raises `wait.failure()` when it takes too long."""
    return await _bounded(lambda: anext(pieces, None), wait, clock)


async def _bounded(ask: Callable[[], Awaitable[T]], wait: _Wait, clock: Clock) -> T:
    left_s = wait.ends_s - clock.monotonic_s()
    # Asked before waiting as well: a server that only ever sends heartbeats is never waited for, and says nothing.
    if left_s <= 0:
        raise wait.failure()
    limit = asyncio.timeout(left_s)
    try:
        async with limit:
            return await ask()
    except TimeoutError as error:
        if not limit.expired():
            # Somebody else's: a connection that took too long to stand, say.
            raise
        raise wait.failure() from error


def _parsed(parser: SseParser, piece: bytes) -> list[bytes]:
    try:
        return parser.feed(piece)
    except ValueError as error:
        raise UpstreamFailed(f"The predictor's stream cannot be read: {error}.") from error
