"""An engine that says what it was given to say, and counts who is inside."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tandem.domain.context import RequestContext
from tandem.domain.errors import Overloaded, TandemError, UpstreamFailed
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.question import Message, Sampling
from tandem.ports.engine import EngineLimits, EngineLoad, TextToken

LIMITS = EngineLimits(max_total_tokens=768, max_concurrent_requests=4, parallel=2)
_WORD = re.compile(r"\s*\S+|\s+")


class ScriptedEngine:
    """`ports/engine.py` for tests: `pieces` as tokens, words as the tokens of a text.

    `error` is raised on entering, after `fail_after` pieces the stream breaks off, with `cut_after` it just ends.
    `asked` are the texts it was given, `samplings` what came with them; `left_early` counts those left before their end.
    """

    def __init__(
        self,
        pieces: Sequence[str],
        *,
        limits: EngineLimits = LIMITS,
        delay_s: float = 0.0,
        error: TandemError | None = None,
        fail_after: int | None = None,
        cut_after: int | None = None,
    ) -> None:
        self.pieces = tuple(pieces)
        self.delay_s = delay_s
        self.error = error
        self.fail_after = fail_after
        self.cut_after = cut_after
        self.asked: list[str] = []
        self.samplings: list[Sampling] = []
        self.contexts: list[RequestContext] = []
        self.left_early = 0
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.parallel)
        self._inside = 0
        self._running = 0
        self._tokens = 0

    @property
    def limits(self) -> EngineLimits:
        """Those it was given."""
        return self._limits

    @property
    def load(self) -> EngineLoad:
        """Counted."""
        return EngineLoad(self._inside - self._running, self._running, self._tokens)

    async def card(self) -> ModelCard:
        """Always the same."""
        return ModelCard("scripted", "scripted", self._limits.max_total_tokens, "r1")

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """As `complete`, of the templated messages."""
        async with self.complete(await self.template(prompt.messages), sampling, context) as events:
            yield events

    @asynccontextmanager
    async def complete(
        self, text: str, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """The pieces, at most `sampling.max_tokens` and up to a stop sequence, then the end."""
        self.asked.append(text)
        self.samplings.append(sampling)
        self.contexts.append(context)
        if self.error is not None:
            raise self.error
        if self._inside >= self._limits.max_concurrent_requests:
            raise Overloaded("Model is overloaded")
        self._inside += 1
        try:
            async with self._slots:
                self._running += 1
                self._tokens += sampling.max_tokens or 0
                telling = _Telling(self, sampling, len(await self.tokenize(text)))
                try:
                    yield telling.events()
                finally:
                    self._running -= 1
                    self._tokens -= sampling.max_tokens or 0
                    self.left_early += not telling.whole
        finally:
            self._inside -= 1

    async def tokenize(self, text: str) -> list[TextToken]:
        """Words, each with the space before it; a word's id is its length."""
        return [TextToken(len(found[0]), found[0], *found.span()) for found in _WORD.finditer(text)]

    async def template(self, messages: tuple[Message, ...]) -> str:
        """ChatML."""
        turns = "".join(f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in messages)
        return f"{turns}<|im_start|>assistant\n"


class _Telling:
    """One answer on its way."""

    def __init__(self, engine: ScriptedEngine, sampling: Sampling, prompt_tokens: int) -> None:
        self._engine = engine
        self._sampling = sampling
        self._prompt_tokens = prompt_tokens
        self.whole = False

    async def events(self) -> AsyncIterator[GenerationEvent]:
        engine, most = self._engine, self._sampling.max_tokens
        said = 0
        for piece in engine.pieces[:most]:
            await asyncio.sleep(engine.delay_s)
            if said == engine.fail_after:
                raise UpstreamFailed("The scripted answer breaks off here.")
            if said == engine.cut_after:
                return
            yield Token(piece)
            said += 1
            if any(stop in piece for stop in self._sampling.stop):
                yield self._end("stop", said, piece)
                return
        yield self._end("length" if said == most else "stop", said, None)

    def _end(self, reason: str, said: int, stop: str | None) -> Finished:
        self.whole = True
        usage = Usage(self._prompt_tokens, said)
        return Finished("length" if reason == "length" else "stop", usage, stop)
