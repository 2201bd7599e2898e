"""A generator that says what it was given to say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from tandem.domain.context import RequestContext
from tandem.domain.errors import ContextTooLong, DeadlineExceeded, TandemError, UpstreamFailed
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.question import Sampling
from tandem.ports.clock import Clock

CARD = ModelCard(id="scripted", engine="scripted", context_tokens=4096)


class ScriptedGenerator:
    """`ports/generator.py` for tests. `prompts` are those it was asked, `running` the streams open now, `left_early` how
    often one was left before its end.

    `error` is raised before the first token; after `fail_after` pieces the stream breaks off. `counted` tells how many
    tokens a prompt has; more than the card's are refused. Deadlines hold when there is a `clock`.
    """

    def __init__(
        self,
        pieces: Sequence[str],
        *,
        card: ModelCard = CARD,
        delay_s: float = 0.0,
        fail_after: int | None = None,
        error: TandemError | None = None,
        counted: Callable[[Prompt], int] = lambda _: 1,
        clock: Clock | None = None,
    ) -> None:
        self._pieces = tuple(pieces)
        self._card = card
        self._delay_s = delay_s
        self._fail_after = fail_after
        self._error = error
        self._counted = counted
        self._clock = clock
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
        """The pieces, at most `sampling.max_tokens` of them and up to a stop sequence, then the end."""
        self.prompts.append(prompt)
        if self._error is not None:
            raise self._error
        tokens = self._counted(prompt)
        if tokens > self._card.context_tokens:
            raise ContextTooLong(f"The prompt has {tokens} tokens; {self._card.context_tokens} are the limit.")
        whole = False

        async def events() -> AsyncIterator[GenerationEvent]:
            nonlocal whole
            said, cut = self._said(sampling)
            for index, piece in enumerate(said):
                await self._wait(context)
                if index == self._fail_after:
                    raise UpstreamFailed("The scripted answer breaks off here.")
                yield Token(piece)
            whole = True
            yield Finished("length" if cut else "stop", Usage(tokens, len(said)))

        self.running += 1
        try:
            yield events()
        finally:
            self.running -= 1
            self.left_early += not whole

    def _said(self, sampling: Sampling) -> tuple[Sequence[str], bool]:
        """The pieces for this request, and whether its `max_tokens` cut them."""
        whole = "".join(self._pieces)
        stops = [whole.index(stop) for stop in sampling.stop if stop in whole]
        pieces = self._pieces if not stops else tuple(_up_to(self._pieces, min(stops)))
        said = pieces[: sampling.max_tokens]
        return said, len(said) < len(pieces)

    async def _wait(self, context: RequestContext) -> None:
        """As long as a piece takes. Raises `DeadlineExceeded` when it would be late."""
        if self._clock is None or context.deadline_s is None:
            await asyncio.sleep(self._delay_s)
            return
        left_s = context.deadline_s - self._clock.monotonic_s()
        await asyncio.sleep(max(0.0, min(left_s, self._delay_s)))
        if left_s < self._delay_s:
            raise DeadlineExceeded("generation")


def _up_to(pieces: Sequence[str], characters: int) -> Iterator[str]:
    """As much of the pieces as those characters."""
    for piece in pieces:
        if characters <= 0:
            return
        yield piece[:characters]
        characters -= len(piece)
