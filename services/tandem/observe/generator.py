"""A generator that is counted: time to first token, pace, duration, tokens, failures."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.question import Sampling
from tandem.domain.steps import Step, code_of
from tandem.observe.metrics import Metrics
from tandem.ports.generator import Generator

_UNKNOWN = "unknown"


class MeasuredGenerator:
    """`ports/generator.py` around another one; changes nothing but the metrics."""

    def __init__(self, inner: Generator, metrics: Metrics, now_s: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._metrics = metrics
        self._now_s = now_s
        # By OpenTelemetry's conventions: the operation, who provides the model, the one asked for and the one that answers.
        self._named = ("chat", _UNKNOWN, _UNKNOWN, _UNKNOWN)

    async def card(self) -> ModelCard:
        """The inner generator's."""
        card = await self._inner.card()
        self._named = ("chat", card.engine.lower() or "tandem", card.id, card.id)
        return card

    def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]:
        """The inner stream."""
        return _Measured(self._inner.stream(prompt, sampling, context), self._metrics, self._now_s, self._named)


class _Measured:
    """One stream, as a context manager without a generator's cost."""

    __slots__ = ("_began", "_example", "_inner", "_metrics", "_named", "_now_s", "_step")

    def __init__(
        self,
        inner: AbstractAsyncContextManager[AsyncIterator[GenerationEvent]],
        metrics: Metrics,
        now_s: Callable[[], float],
        named: tuple[str, str, str, str],
    ) -> None:
        self._inner = inner
        self._metrics = metrics
        self._now_s = now_s
        self._named = named
        self._example = metrics.example()
        self._step = Step("chat").begin()
        self._began = now_s()

    async def __aenter__(self) -> AsyncIterator[GenerationEvent]:
        try:
            return self._counted(await self._inner.__aenter__())
        except BaseException as error:
            self._ended(error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._inner.__aexit__(kind, error, trace)
        finally:
            self._ended(error)

    def _ended(self, error: BaseException | None) -> None:
        metrics, took_s = self._metrics, self._now_s() - self._began
        if isinstance(error, TandemError):
            metrics.generation_failures.labels(error.code).inc()
        metrics.generation_seconds.observe(took_s, self._example)
        why = "" if error is None else code_of(error)
        metrics.child(metrics.gen_ai_duration, *self._named, why).observe(took_s, self._example)
        self._step.over(error)

    def _first(self, since_s: float) -> None:
        self._metrics.generation_first_token.observe(since_s, self._example)
        self._metrics.child(self._metrics.gen_ai_first_chunk, *self._named).observe(since_s, self._example)

    def _whole(self, usage: Usage, first_s: float | None) -> None:
        metrics = self._metrics
        metrics.child(metrics.generation_tokens, "prompt").inc(usage.prompt_tokens)
        metrics.child(metrics.generation_tokens, "completion").inc(usage.completion_tokens)
        metrics.child(metrics.gen_ai_tokens, *self._named, "input").observe(usage.prompt_tokens)
        metrics.child(metrics.gen_ai_tokens, *self._named, "output").observe(usage.completion_tokens)
        if first_s is not None and usage.completion_tokens > 1:
            # One division an answer: a clock read for each token would cost more than all else that is counted.
            gap_s = (self._now_s() - first_s) / (usage.completion_tokens - 1)
            metrics.inter_token_seconds.observe(gap_s, self._example)
        self._step.tell("gen_ai.usage.input_tokens", usage.prompt_tokens)
        self._step.tell("gen_ai.usage.output_tokens", usage.completion_tokens)
        self._step.tell("gen_ai.response.model", self._named[3])
        self._step.tell("gen_ai.operation.name", self._named[0])

    async def _counted(self, events: AsyncIterator[GenerationEvent]) -> AsyncIterator[GenerationEvent]:
        first_s: float | None = None
        async for event in events:
            if first_s is None and isinstance(event, Token):
                first_s = self._now_s()
                self._first(first_s - self._began)
            if isinstance(event, Finished):
                self._whole(event.usage, first_s)
            yield event
