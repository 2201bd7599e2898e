"""An answer as server-sent events: nothing is sent while the status is still open, and nothing ends in silence."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tandem.domain.answer import Answered, AnswerEvent, Found
from tandem.domain.errors import TandemError, UpstreamFailed
from tandem.domain.generation import Token
from tandem.http.answering import AnswerMeter
from tandem.http.errors import CLIENT_GONE, ClientGone, error_body, internal_error, status_of
from tandem.http.exchange import exchange_of
from tandem.http.outlet import EVENT_STREAM, Outlet
from tandem.http.presence import while_wanted
from tandem.http.wire.chat_answer import DONE, Chunks, Stamp
from tandem.ports.clock import Clock

_log = logging.getLogger("tandem.answers")


class AnswerStream(Response):
    """Pulls the next event only when the last one was taken, so that a slow reader slows the model.

    A failure before the first text is raised, and becomes a status; later it is an `error` event, and the stream ends
    without `[DONE]`. After `keep_alive_s` without a byte a comment is sent, which settles the status: from then on
    failures are events. Leaving closes the answer, upstream included, before this returns.
    """

    def __init__(
        self,
        answer: AbstractAsyncContextManager[AsyncIterator[AnswerEvent]],
        *,
        stamp: Stamp,
        usage: bool,
        clock: Clock,
        meter: AnswerMeter,
        keep_alive_s: float,
    ) -> None:
        super().__init__()
        self._answer = answer
        self._stamp = stamp
        self._usage = usage
        self._clock = clock
        self._meter = meter
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        exchange = exchange_of(scope)
        outlet = Outlet(send, EVENT_STREAM, keep_alive_s=self._keep_alive_s)
        left_s = None if exchange.deadline_s is None else exchange.deadline_s - self._clock.monotonic_s()
        try:
            async with outlet:
                forwarded = self._forward(outlet, exchange.arrived_s, exchange.example)
                await while_wanted(forwarded, receive, left_s=left_s, stage="answering")
        except ClientGone:
            exchange.outcome = CLIENT_GONE
            return
        except TandemError as error:
            if not outlet.started:
                raise
            exchange.outcome = status_of(error)
            # Not its message, which may quote what the model said.
            told = {"request_id": exchange.request_id, "trace_id": exchange.span.trace_id, "code": error.code}
            _log.warning("an answer broke off", extra=told)
            await outlet.write(_event(error), last=True)
        except Exception:
            if outlet.started:
                # The outermost layer logs it and breaks the connection off; who reads along is told before.
                await outlet.write(_event(internal_error()))
            raise

    async def _forward(self, outlet: Outlet, arrived_s: float, example: str | None) -> None:
        async with self._answer as events:
            found = await anext(events, None)
            if not isinstance(found, Found):
                raise UpstreamFailed("The answer began without what it is made from.")
            chunks = Chunks(self._stamp, found, usage=self._usage)
            first, end = True, None
            async for event in events:
                if isinstance(event, Token):
                    if first:
                        first = False
                        self._meter.first_token(self._clock.monotonic_s() - arrived_s, example)
                        outlet.hold(chunks.opening())
                    if event.more:
                        outlet.hold(chunks.text(event.text))
                    else:
                        await outlet.write(chunks.text(event.text))
                elif isinstance(event, Answered):
                    end = event
        if end is None:
            raise UpstreamFailed("The answer was cut short.")
        if first:
            outlet.hold(chunks.opening())
        await outlet.write(chunks.ending(end) + (chunks.usage(end) if self._usage else b"") + DONE, last=True)
        self._meter.answered(end.outcome)


def _event(error: TandemError) -> bytes:
    return b"data: " + orjson.dumps(error_body(error)) + b"\n\n"
