"""One generation to its client, whole or as a stream, for as long as the client stays."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.steps import Step
from tandem.http.errors import CLIENT_GONE, ClientGone
from tandem.http.exchange import Exchange, exchange_of
from tandem.http.predictor.dialects import Dialect
from tandem.http.predictor.faults import IncompleteGeneration, fault_of
from tandem.http.predictor.generation import End, Piece, Source
from tandem.http.predictor.health import Health
from tandem.http.predictor.job import Job
from tandem.http.predictor.meter import TgiMeter
from tandem.http.presence import while_wanted

_log = logging.getLogger("tandem.predictions")
_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
]
# TGI tells the kind of machine; engines of ours run on its processors.
_COMPUTE = "cpu"
# What axum sends, TGI's framework: an empty comment.
_KEEP_ALIVE = b":\n\n"


def _tell(step: Step, end: End) -> None:
    step.tell("gen_ai.usage.input_tokens", end.finished.usage.prompt_tokens)
    step.tell("gen_ai.usage.output_tokens", end.finished.usage.completion_tokens)
    step.tell("tandem.queue_s", end.timings.queue_s)


@dataclass(frozen=True, slots=True)
class Delivery:
    """`keep_alive_s` is the longest silence in a stream."""

    source: Source
    meter: TgiMeter
    health: Health
    keep_alive_s: float

    async def whole(self, request: Request, job: Job, dialect: Dialect) -> Response:
        """The answer at once. Raises what the engine does, and `ClientGone`."""
        exchange = exchange_of(request.scope)
        with self.told():
            end = await while_wanted(
                self._end(job, exchange.context()), request.receive, left_s=self.left_s(exchange), stage="generation"
            )
            self.meter.answered(end)
        return Response(dialect.whole(end), headers=_measured(job, end), media_type="application/json")

    def stream(self, job: Job, dialect: Dialect) -> Response:
        """The answer as it comes. It is always a 200, like TGI's: failures are events."""
        return _Stream(self, job, dialect)

    def left_s(self, exchange: Exchange) -> float | None:
        """Until the request's deadline."""
        if exchange.deadline_s is None:
            return None
        return max(0.0, exchange.deadline_s - self.source.clock.monotonic_s())

    async def events(self, job: Job, context: RequestContext) -> AsyncGenerator[Piece | End]:
        """Close it to cancel; the engine's slot is free when that returns."""
        context.progress.stage = "generation"
        step = Step("generate").begin()
        try:
            async with aclosing(self.source.run(job, context)) as events:
                async for event in events:
                    if isinstance(event, End):
                        self.health.succeeded()
                        _tell(step, event)
                    yield event
        except BaseException as error:
            step.over(error)
            raise
        step.over()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Failures are counted and remembered on their way."""
        try:
            yield
        except ClientGone:
            self.meter.dropped()
            raise
        except TandemError as error:
            self.meter.failed(error)
            self.health.failed(error)
            raise

    async def _end(self, job: Job, context: RequestContext) -> End:
        async with aclosing(self.events(job, context)) as events:
            async for event in events:
                if isinstance(event, End):
                    return event
        raise IncompleteGeneration("The engine's answer was cut short.")


class _Stream(Response):
    """The next piece is asked for when the last one was taken, so that a slow reader slows the model."""

    def __init__(self, delivery: Delivery, job: Job, dialect: Dialect) -> None:
        super().__init__()
        self._delivery = delivery
        self._job = job
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        exchange = exchange_of(scope)
        outlet = _Outlet(send)
        headers = [*_STREAM_HEADERS, *_computed(self._job), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        left_s = self._delivery.left_s(exchange)
        try:
            with self._delivery.told():
                await while_wanted(self._pump(outlet, exchange.context()), receive, left_s=left_s, stage="generation")
        except ClientGone:
            exchange.outcome = CLIENT_GONE
            return
        except TandemError as error:
            fault = fault_of(error)
            exchange.outcome = fault.status
            # Not its message, which may quote the prompt or the answer.
            told = {"request_id": exchange.request_id, "trace_id": exchange.span.trace_id, "code": error.code}
            _log.warning("a stream failed", extra=told)
            await outlet.write(self._dialect.broken(fault))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, outlet: "_Outlet", context: RequestContext) -> None:
        keeping_alive = asyncio.create_task(outlet.keep_alive(self._delivery.keep_alive_s))
        try:
            async with aclosing(self._delivery.events(self._job, context)) as events:
                async for event in events:
                    if isinstance(event, Piece):
                        await outlet.write(self._dialect.piece(event))
                    else:
                        self._delivery.meter.answered(event)
                        await outlet.write(self._dialect.ending(event))
        finally:
            keeping_alive.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping_alive


class _Outlet:
    """The way out; pieces never mix with comments."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._one_at_a_time = asyncio.Lock()
        self._written = 0

    async def write(self, piece: bytes) -> None:
        async with self._one_at_a_time:
            self._written += 1
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def keep_alive(self, every_s: float) -> None:
        while True:
            written = self._written
            await asyncio.sleep(every_s)
            if self._written == written:
                await self.write(_KEEP_ALIVE)


def _computed(job: Job) -> list[tuple[bytes, bytes]]:
    return [(b"x-compute-type", _COMPUTE.encode()), (b"x-compute-characters", str(len(job.text)).encode())]


def _measured(job: Job, end: End) -> dict[str, str]:
    timings, generated = end.timings, end.finished.usage.completion_tokens
    return {
        "x-compute-type": _COMPUTE,
        "x-compute-time": f"{timings.total_s:.9f}",
        "x-compute-characters": str(len(job.text)),
        "x-total-time": _ms(timings.total_s),
        "x-validation-time": _ms(timings.validation_s),
        "x-queue-time": _ms(timings.queue_s),
        "x-inference-time": _ms(timings.inference_s),
        "x-time-per-token": _ms(timings.inference_s / max(1, generated)),
        "x-prompt-tokens": str(end.admitted.input_tokens),
        "x-generated-tokens": str(generated),
    }


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))
