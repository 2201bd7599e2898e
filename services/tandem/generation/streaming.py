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
from tandem.generation.watchdog import Overdue, Watchdog
from tandem.ports.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until a connection stands, until the first token, between two tokens.

    Tokens of each `interval_s` may be handed on together; 0 hands on each as it comes.
    """

    connect_s: float = 2.0
    first_token_s: float = 60.0
    idle_s: float = 15.0
    interval_s: float = 0.0


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
    watchdog = Watchdog(clock.monotonic_s)
    waiting_since_s = clock.monotonic_s()
    try:
        while True:
            patience_s = patience.idle_s if spoken else patience.first_token_s
            wait = _Wait(waiting_since_s + patience_s, context.deadline_s, spoken)
            piece = await _next(pieces, wait, watchdog, clock.monotonic_s())
            told, fault = _told(parser, piece, events)
            for event in told:
                spoken = True
                yield event
            if fault is not None:
                raise fault
            if events.done:
                return
            if told:
                # Counted from here: whoever reads slowly has not kept the predictor waiting, nor it them.
                waiting_since_s = clock.monotonic_s()
    finally:
        watchdog.close()


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


async def _next(pieces: AsyncIterator[bytes], wait: _Wait, watchdog: Watchdog, now_s: float) -> bytes | None:
    """The next piece, None at the end. Raises `wait.failure()` when it takes too long."""
    # Asked before waiting as well: a server that only ever sends heartbeats is never waited for, and says nothing.
    if wait.ends_s <= now_s:
        raise wait.failure()
    try:
        return await watchdog.bounded(anext(pieces, None), wait.ends_s, now_s)
    except Overdue as error:
        raise wait.failure() from error
    except ConnectionError as error:
        raise cut(spoken=wait.spoken, how=f": {error}") from error


async def _bounded(ask: Callable[[], Awaitable[T]], wait: _Wait, clock: Clock) -> T:
    left_s = wait.ends_s - clock.monotonic_s()
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


def _told(
    parser: SseParser, piece: bytes | None, events: ChatEvents
) -> tuple[list[GenerationEvent], TandemError | None]:
    """What one piece of the stream says, None being its end, and the fault that it goes on with."""
    if piece is None:
        return events.end(), None
    try:
        parsed = parser.feed(piece)
    except ValueError as error:
        raise UpstreamFailed(f"The predictor's stream cannot be read: {error}.") from error
    return events.take_all(parsed)
