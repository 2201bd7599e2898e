"""Prompt in, tokens out: in this process or in another."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.generation import GenerationEvent, ModelCard, Prompt
from tandem.domain.question import Sampling


class Generator(Protocol):
    """A language model, or what stands for one."""

    async def card(self) -> ModelCard:
        """What model answers. Cheap after the first call, and known from then on: raises `UpstreamUnavailable` only while
        the peer is away that never told.
        """
        ...

    def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]:
        """Tokens as they come, then one `Finished`.

        Leaving the context early cancels the generation within one token and frees its slot. Entering it, or the
        first token, raises `Overloaded`, `ContextTooLong`, `InvalidRequest`, `UpstreamUnavailable`, `DeadlineExceeded`;
        later only `UpstreamFailed` or `DeadlineExceeded`. A stream that was cut short raises, it never just ends.
        """
        ...


class Server(Generator, Protocol):
    """A generator that may be away."""

    async def probe(self) -> None:
        """Asks whether a request would be taken now. Raises `UpstreamUnavailable`."""
        ...


class Inside:
    """A generator of this process as a server: it is never away."""

    def __init__(self, generator: Generator) -> None:
        self.card = generator.card
        self.stream = generator.stream

    async def probe(self) -> None:
        """Nothing to ask."""
