"""OpenAI's chat wire, as far as a generator needs it: the body to send, the chunks that come back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import Finished, FinishReason, GenerationEvent, Prompt, Token, Usage
from tandem.domain.question import Sampling
from tandem.generation.mould import Mould
from tandem.ports.clock import Clock

Failure = Callable[[Mapping[str, Any]], TandemError]
_REASONS: dict[str, FinishReason] = {"length": "length", "stop": "stop", "eos_token": "stop", "stop_sequence": "stop"}


def chat_body(prompt: Prompt, sampling: Sampling, model: str) -> dict[str, Any]:
    """A streaming request with usage; what `sampling` leaves open is left to the engine."""
    wanted: dict[str, Any] = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
        "response_format": None if sampling.json_schema is None else _held_to(sampling.json_schema),
    }
    return {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **{name: value for name, value in wanted.items() if value is not None},
    }


def _held_to(schema: str) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": orjson.loads(schema)}}


def request_headers(context: RequestContext, clock: Clock) -> dict[str, str]:
    """What travels along: the request's id, its trace, and the time that is left of it."""
    sent = {"content-type": "application/json", "x-request-id": context.request_id}
    if context.span is not None:
        sent["traceparent"] = context.span.child("chat").traceparent
        if context.span.state is not None:
            sent["tracestate"] = context.span.state
    if context.deadline_s is not None:
        left_ms = (context.deadline_s - clock.monotonic_s()) * 1000
        sent["x-request-timeout-ms"] = str(max(1, round(left_ms)))
    return sent


class ChatEvents:
    """One answer's events out of its chunks. `failure` makes an error of an error object inside the stream."""

    __slots__ = ("_failure", "_mould", "_pieces", "_reason", "_usage", "done")

    def __init__(self, failure: Failure) -> None:
        self._failure = failure
        self._mould = Mould()
        self._reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._pieces = 0
        self.done = False

    def take_all(self, payloads: Sequence[bytes]) -> tuple[list[GenerationEvent], TandemError | None]:
        """What events that came together say, and the fault that ends them: what was said before it counts.

        Tokens know whether more follows at once.
        """
        told: list[GenerationEvent] = []
        fault: TandemError | None = None
        for data in payloads:
            text = self._mould.text(data)
            if text:
                self._pieces += 1
                told.append(Token(text, more=True))
                continue
            try:
                told += self.take(data)
            except TandemError as error:
                fault = error
            if self.done or fault is not None:
                break
        if told and isinstance(last := told[-1], Token):
            told[-1] = Token(last.text)
        return told, fault

    def take(self, data: bytes) -> list[GenerationEvent]:
        """What one event's data says. Raises what `failure` makes of an error, `UpstreamFailed` for what is no chunk.

        An answer is whole when its finish reason came and then `[DONE]`; usage may come before or between, and is
        counted by pieces from a server that tells none.
        """
        if data == b"[DONE]":
            return self.end()
        try:
            chunk = orjson.loads(data)
            if error := chunk.get("error"):
                raise self._in_time(self._failure(error if isinstance(error, Mapping) else chunk))
            told: list[GenerationEvent] = []
            for choice in chunk.get("choices") or ():
                if text := (choice.get("delta") or {}).get("content"):
                    self._pieces += 1
                    told.append(Token(_text(text), more=True))
                if reason := choice.get("finish_reason"):
                    self._reason = _REASONS.get(reason, "stop")
            if usage := chunk.get("usage"):
                self._usage = Usage(_count(usage["prompt_tokens"]), _count(usage["completion_tokens"]))
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise UpstreamFailed(f"The predictor sent no chat chunk: {data[:120]!r}.") from error
        if len(told) == 1 and not usage and len(chunk["choices"]) == 1 and not chunk["choices"][0].get("finish_reason"):
            self._mould.learn(data, chunk["choices"][0]["delta"]["content"])
        return told

    def end(self) -> list[GenerationEvent]:
        """The stream is over: the last event when the answer is whole, else what `cut` makes of it."""
        if self.done:
            return []
        if self._reason is None:
            raise cut(spoken=self._pieces > 0)
        self.done = True
        return [Finished(self._reason, self._usage or Usage(0, self._pieces))]

    def _in_time(self, error: TandemError) -> TandemError:
        """After the first token nobody may ask again, whatever the server would have."""
        return UpstreamFailed(error.message, hint=error.hint) if self._pieces else error


def cut(*, spoken: bool, how: str = "") -> TandemError:
    """An answer that ended before its end; one that had not begun may be asked for again."""
    if spoken:
        return UpstreamFailed(f"The predictor's answer was cut short{how}.")
    return UpstreamUnavailable(f"The predictor's answer ended before its first token{how}.")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError("no count")
    return value
