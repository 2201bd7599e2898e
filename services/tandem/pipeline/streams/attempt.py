"""One question of a stream, until there is an answer or a reason why there is none."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import getrandbits
from typing import Protocol

from tandem.domain.answer import Answered, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import PayloadTooLarge, TandemError
from tandem.domain.question import Question
from tandem.domain.span import SpanContext, sent_span
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.whole import Answers, whole
from tandem.ports.clock import Clock
from tandem.ports.question_stream import Headers, Posed, Reply

# Ours in an answer: what a question brings of these is not handed on.
_OURS = ("tandem-", "traceparent", "tracestate")
# A record of Kafka has a megabyte at most, unless a topic is told otherwise; headers have room beside it.
_MOST_BYTES = 900_000


class StreamMeter(Protocol):
    """Where one stream's questions are counted."""

    def ended(self, outcome: str, seconds: float) -> None:
        """An answer is there for all to see: `answered`, or the code of the error; so long after the question was written."""
        ...

    def put_back(self, reason: str) -> None:
        """An attempt came to nothing, and there will be another one."""
        ...

    def look(self, taken: int, behind: int) -> None:
        """How many are in hand, and about how many have no answer."""
        ...

    def opened(self, *, up: bool) -> None:
        """The stream is open, or is not any more."""
        ...


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf a stream's questions are asked."""

    name: str
    tenant: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempting:
    """What every question needs: `parse` reads it, `render` makes the `chat.completion`, `refuse` the error's body."""

    answers: Answers
    parse: Callable[[bytes | None], Question]
    render: Callable[[str, int, Found, str, Answered], bytes]
    refuse: Callable[[TandemError], bytes]
    asker: Asker
    clock: Clock
    policy: AttemptPolicy
    meter: StreamMeter
    random: Callable[[], float]
    new_id: Callable[[], str]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def reply(self, posed: Posed) -> Reply:
        """Want of room, giving way and a part that is away are waited out; other failures that may pass are tried again."""
        began_s, counted, span = self.clock.monotonic_s(), 0, _span(posed.headers)
        try:
            question = self.parse(posed.body)
        except TandemError as error:
            return self.refusal(posed, error, span)
        while True:
            counted += 1
            receipt = f"rcpt-{self.new_id()}"
            try:
                body = await self._answered(posed, question, receipt, span)
            except TandemError as error:
                again = self.policy.after(error, counted, self.clock.monotonic_s() - began_s, self.random())
                if again is None:
                    return self.refusal(posed, error, span, receipt)
                counted -= not again.counted
                self.meter.put_back(error.code)
                await self.pause(again.seconds)
            else:
                return Reply(posed, body, _headers(posed, span, receipt))

    def refusal(self, posed: Posed, error: TandemError, span: SpanContext | None = None, receipt: str = "") -> Reply:
        """Why it has no answer."""
        headers = _headers(posed, span or _span(posed.headers), receipt)
        return Reply(posed, self.refuse(error), (*headers, ("tandem-error", error.code.encode())), failed=True)

    async def _answered(self, posed: Posed, question: Question, receipt: str, span: SpanContext) -> bytes:
        asker = self.asker
        context = RequestContext(
            f"{asker.name}-{posed.partition}-{posed.position}",
            asker.tenant,
            self.clock.monotonic_s() + self.policy.timeout_s,
            span,
            groups=asker.groups,
            # No name of a key: nobody but admins reads its receipts.
            user=f"stream:{asker.name}",
            answer_id=receipt,
            mode="stream",
        )
        found, text, end = await whole(self.answers, question, context)
        body = self.render(receipt, int(self.clock.epoch_s()), found, text, end)
        if len(body) > _MOST_BYTES:
            raise PayloadTooLarge(f"The answer has {len(body):,} bytes; a record takes {_MOST_BYTES:,}.")
        return body


def _span(headers: Headers) -> SpanContext:
    """In the trace that the question brings, or in one that begins here."""
    told = dict(headers)
    span_id = f"{getrandbits(64) or 1:016x}"
    sent = sent_span(told.get("traceparent"), told.get("tracestate"), span_id)
    return sent or SpanContext(f"{getrandbits(128) or 1:032x}", span_id)


def _headers(posed: Posed, span: SpanContext, receipt: str) -> Headers:
    """The question's own, such as a correlation id, then ours."""
    kept = tuple((name, value) for name, value in posed.headers if not name.lower().startswith(_OURS))
    place = f"{posed.topic}/{posed.partition}/{posed.position}"
    told = {"tandem-question": place, "tandem-receipt-id": receipt, "traceparent": span.traceparent}
    state = () if span.state is None else (("tracestate", span.state.encode("latin-1")),)
    return (*kept, *((name, text.encode()) for name, text in told.items() if text), *state)
