"""A generator that is counted: time to first token, duration, tokens, failures."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

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

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """The inner stream."""
        began = self._now_s()
        try:
            async with self._inner.stream(prompt, sampling, context) as events:
                yield self._counted(events, began)
        except TandemError as error:
            self._metrics.generation_failures.labels(error.code).inc()
            raise
        finally:
            self._metrics.generation_seconds.observe(self._now_s() - began)

    async def _counted(self, events: AsyncIterator[GenerationEvent], began: float) -> AsyncIterator[GenerationEvent]:
        waiting = True
        async for event in events:
            if waiting and isinstance(event, Token):
                waiting = False
                self._metrics.generation_first_token.observe(self._now_s() - began)
            if isinstance(event, Finished):
                self._metrics.generation_tokens.labels("prompt").inc(event.usage.prompt_tokens)
                self._metrics.generation_tokens.labels("completion").inc(event.usage.completion_tokens)
            yield event
