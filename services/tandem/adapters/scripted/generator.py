"""A generator that says what it was given to say."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError, UpstreamFailed
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.question import Sampling

CARD = ModelCard(id="scripted", engine="scripted", context_tokens=4096)


class ScriptedGenerator:
    """`ports/generator.py` for tests. `prompts` are those it was asked, `running` the streams open now, `left_early` how
    often one was left before its end.

    `error` is raised before the first token; after `fail_after` pieces the stream breaks off.
    """

    def __init__(
        self,
        pieces: Sequence[str],
        *,
        card: ModelCard = CARD,
        delay_s: float = 0.0,
        fail_after: int | None = None,
        error: TandemError | None = None,
    ) -> None:
        self._pieces = tuple(pieces)
        self._card = card
        self._delay_s = delay_s
        self._fail_after = fail_after
        self._error = error
        self.prompts: list[Prompt] = []
        self.running = 0
        self.left_early = 0

    async def card(self) -> ModelCard:
        """The one it was given."""
        return self._card

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """The pieces, at most `sampling.max_tokens` of them, then the end."""
        del context
        self.prompts.append(prompt)
        if self._error is not None:
            raise self._error
        whole = False

        async def events() -> AsyncIterator[GenerationEvent]:
            nonlocal whole
            said = self._pieces[: sampling.max_tokens]
            for index, piece in enumerate(said):
                await asyncio.sleep(self._delay_s)
                if index == self._fail_after:
                    raise UpstreamFailed("The scripted answer breaks off here.")
                yield Token(piece)
            whole = True
            yield Finished("stop" if len(said) == len(self._pieces) else "length", Usage(1, len(said)))

        self.running += 1
        try:
            yield events()
        finally:
            self.running -= 1
            self.left_early += not whole
