"""A predictor's byte stream as generation events, within the time that each part of it may take."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import GenerationEvent
from tandem.generation.chat import ChatEvents
from tandem.generation.sse import SseParser
from tandem.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until a connection stands, until the first token, between two tokens."""

    connect_s: float = 2.0
    first_token_s: float = 60.0
    idle_s: float = 15.0


async def generation_events(
    pieces: AsyncIterator[bytes], events: ChatEvents, patience: Patience, context: RequestContext, clock: Clock
) -> AsyncIterator[GenerationEvent]:
    """Tokens, then the end.

    Silence before the first token raises `UpstreamUnavailable` (another endpoint may be asked), later `UpstreamFailed`;
    the request's own deadline raises `DeadlineExceeded`. A stream that ends early raises, it never just ends.
    """
    parser = SseParser()
    spoken = False
    while True:
        try:
            async with asyncio.timeout(_bound(patience.idle_s if spoken else patience.first_token_s, context, clock)):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise _silence(context, clock, spoken=spoken) from error
        for data in [] if piece is None else _parsed(parser, piece):
            for event in events.take(data):
                spoken = True
                yield event
        if events.done:
            return
        if piece is None:
            for event in events.end():
                yield event
            return


def _parsed(parser: SseParser, piece: bytes) -> list[bytes]:
    try:
        return parser.feed(piece)
    except ValueError as error:
        raise UpstreamFailed(f"The predictor's stream cannot be read: {error}.") from error


def _bound(patience_s: float, context: RequestContext, clock: Clock) -> float:
    if context.deadline_s is None:
        return patience_s
    return min(patience_s, max(0.0, context.deadline_s - clock.monotonic_s()))


def _silence(context: RequestContext, clock: Clock, *, spoken: bool) -> Exception:
    if context.deadline_s is not None and clock.monotonic_s() >= context.deadline_s:
        return DeadlineExceeded("generation")
    if spoken:
        return UpstreamFailed("The predictor stopped in mid-answer.")
    return UpstreamUnavailable("The predictor sent no token in time.")
