"""A generator that is counted: time to first token, duration, tokens, failures."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token
from tandem.domain.question import Sampling
from tandem.observe.metrics import Metrics
from tandem.ports.generator import Generator


class MeasuredGenerator:
    """`ports/generator.py` around another one; changes nothing but the metrics."""

    def __init__(self, inner: Generator, metrics: Metrics, now_s: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._metrics = metrics
        self._now_s = now_s

    async def card(self) -> ModelCard:
        """The inner generator's."""
        return await self._inner.card()

    def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]:
        """The inner stream."""
        return _Measured(self._inner.stream(prompt, sampling, context), self._metrics, self._now_s)


class _Measured:
    """One stream, as a context manager without a generator's cost."""

    __slots__ = ("_began", "_inner", "_metrics", "_now_s")

    def __init__(
        self,
        inner: AbstractAsyncContextManager[AsyncIterator[GenerationEvent]],
        metrics: Metrics,
        now_s: Callable[[], float],
    ) -> None:
        self._inner = inner
        self._metrics = metrics
        self._now_s = now_s
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
        if isinstance(error, TandemError):
            self._metrics.generation_failures.labels(error.code).inc()
        self._metrics.generation_seconds.observe(self._now_s() - self._began)

    async def _counted(self, events: AsyncIterator[GenerationEvent]) -> AsyncIterator[GenerationEvent]:
        waiting = True
        async for event in events:
            if waiting and isinstance(event, Token):
                waiting = False
                self._metrics.generation_first_token.observe(self._now_s() - self._began)
            if isinstance(event, Finished):
                self._metrics.generation_tokens.labels("prompt").inc(event.usage.prompt_tokens)
                self._metrics.generation_tokens.labels("completion").inc(event.usage.completion_tokens)
            yield event
