import asyncio
from collections.abc import AsyncIterator

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import Finished, GenerationEvent, Token, Usage
from tandem.generation import sse
from tandem.generation.chat import ChatEvents
from tandem.generation.streaming import Patience, generation_events

TOKEN = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
REASON = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
# Silence is waited for: as short as can be, so that nothing depends on how busy the machine is.
HASTY = Patience(first_token_s=0.01, idle_s=0.01)
END = Finished("stop", Usage(0, 1))


class Server:
    """Sends its pieces; then, when told to, stays silent."""

    def __init__(self, *pieces: bytes, silent: bool = False) -> None:
        self._pieces = pieces
        self._silent = silent
        self.asked_for_more = 0

    async def stream(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
            self.asked_for_more += 1
        if self._silent:
            await asyncio.Event().wait()


async def told(
    server: Server,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    *,
    deadline_s: float | None = None,
    clock: ScriptedClock | None = None,
) -> list[GenerationEvent]:
    context = RequestContext("r", deadline_s=deadline_s)
    events = ChatEvents(lambda fault: UpstreamFailed(str(fault)))
    stream = generation_events(server.stream(), events, patience, context, clock or ScriptedClock())
    return [event async for event in stream]


async def test_tokens_then_the_end() -> None:
    assert await told(Server(TOKEN, REASON, DONE)) == [Token("a"), END]


async def test_pieces_may_hold_half_an_event_or_several() -> None:
    whole = TOKEN + REASON + DONE
    assert await told(Server(whole)) == await told(Server(*(bytes([byte]) for byte in whole))) == [Token("a"), END]


async def test_nothing_is_read_behind_the_end() -> None:
    server = Server(TOKEN, REASON, DONE, silent=True)
    assert await told(server, Patience(5, 5, 5)) == [Token("a"), END]
    assert server.asked_for_more == 2


async def test_a_server_that_closes_instead_of_saying_done_is_believed_when_it_gave_a_reason() -> None:
    assert await told(Server(TOKEN, REASON)) == [Token("a"), END]


@pytest.mark.parametrize("pieces", [(TOKEN,), (TOKEN, DONE), (TOKEN, REASON[:-2])])
async def test_a_stream_that_ends_early_never_just_ends(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(UpstreamFailed, match="cut short"):
        await told(Server(*pieces))


async def test_a_stream_that_ends_before_its_first_token_may_be_tried_elsewhere() -> None:
    with pytest.raises(UpstreamUnavailable, match="before its first token"):
        await told(Server())


async def test_silence_before_the_first_token_may_be_tried_elsewhere() -> None:
    with pytest.raises(UpstreamUnavailable):
        await told(Server(silent=True), HASTY)


async def test_a_heartbeat_is_no_token() -> None:
    with pytest.raises(UpstreamUnavailable):
        await told(Server(b": ping\n\n", silent=True), HASTY)


async def test_silence_in_mid_answer_is_a_failure() -> None:
    with pytest.raises(UpstreamFailed, match="mid-answer"):
        await told(Server(TOKEN, silent=True), Patience(first_token_s=60.0, idle_s=0.01))


async def test_the_requests_deadline_bounds_every_wait() -> None:
    clock = ScriptedClock()
    with pytest.raises(DeadlineExceeded) as caught:
        await told(Server(TOKEN, silent=True), deadline_s=clock.monotonic_s() + 0.01, clock=clock)
    assert caught.value.stage == "generation"


async def test_a_far_deadline_does_not_stretch_the_patience() -> None:
    clock = ScriptedClock()
    with pytest.raises(UpstreamUnavailable):
        await told(Server(silent=True), HASTY, deadline_s=clock.monotonic_s() + 1000, clock=clock)


async def test_a_stream_that_cannot_be_parsed_is_an_upstream_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LIMIT_BYTES", 10)
    with pytest.raises(UpstreamFailed, match="cannot be read"):
        await told(Server(b"data: " + b"x" * 50))


async def test_heartbeats_do_not_put_off_the_first_token_for_ever() -> None:
    clock = ScriptedClock()

    async def pings() -> AsyncIterator[bytes]:
        for _ in range(100):
            clock.advance(1.0)
            yield b": ping\n\n"

    events = ChatEvents(lambda fault: UpstreamFailed(str(fault)))
    stream = generation_events(pings(), events, Patience(first_token_s=10.0), RequestContext("r"), clock)
    with pytest.raises(UpstreamUnavailable):
        await anext(stream)
    assert clock.monotonic_s() < 1050


async def test_heartbeats_do_not_outlive_the_deadline() -> None:
    clock = ScriptedClock()
    deadline_s = clock.monotonic_s() + 10

    async def pings() -> AsyncIterator[bytes]:
        for _ in range(100):
            clock.advance(1.0)
            yield b": ping\n\n"

    events = ChatEvents(lambda fault: UpstreamFailed(str(fault)))
    context = RequestContext("r", deadline_s=deadline_s)
    with pytest.raises(DeadlineExceeded):
        await anext(generation_events(pings(), events, Patience(), context, clock))


async def test_the_patience_begins_anew_with_each_token_and_not_while_nobody_reads() -> None:
    clock = ScriptedClock()

    async def slow() -> AsyncIterator[bytes]:
        for piece in (TOKEN, TOKEN, TOKEN, REASON, DONE):
            clock.advance(8.0)
            yield piece

    events = ChatEvents(lambda fault: UpstreamFailed(str(fault)))
    stream = generation_events(slow(), events, Patience(first_token_s=10.0, idle_s=10.0), RequestContext("r"), clock)
    seen: list[GenerationEvent] = []
    async for event in stream:
        seen.append(event)
        # The reader takes its time with each: that is no silence of the predictor's.
        if isinstance(event, Token):
            clock.advance(60.0)
    assert seen == [Token("a"), Token("a"), Token("a"), Finished("stop", Usage(0, 3))]
