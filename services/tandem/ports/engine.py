"""A model inside this process: a generator that also takes raw text and shows its load."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.generation import GenerationEvent
from tandem.domain.question import Message, Sampling
from tandem.ports.generator import Generator


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one request and all requests together may take; tokens by the engine's own tokenizer.

    `max_total_tokens` is prompt plus answer of one request; `max_concurrent_requests` covers waiting and running ones.
    `json_schemas`: it holds an answer to a schema, where `Sampling` has one.
    """

    max_total_tokens: int
    max_concurrent_requests: int
    parallel: int
    max_stop_sequences: int = 4
    json_schemas: bool = False


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """Now: requests waiting and running, and the most tokens the running ones may reach together."""

    waiting: int
    running: int
    tokens: int


@dataclass(frozen=True, slots=True)
class TextToken:
    """A token of a text: its id, its text, and the character span it covers."""

    id: int
    text: str
    start: int
    stop: int


class Engine(Generator, Protocol):
    """`Overloaded` is raised at once when no permit is free; `ContextTooLong` when prompt plus answer do not fit."""

    @property
    def limits(self) -> EngineLimits:
        """What it was opened with."""
        ...

    @property
    def load(self) -> EngineLoad:
        """What it is doing."""
        ...

    def complete(
        self, text: str, sampling: Sampling, context: RequestContext
    ) -> AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]:
        """Go on from raw text, without a chat template; otherwise as `stream`."""
        ...

    async def tokenize(self, text: str) -> list[TextToken]:
        """The tokens of a text, without special ones."""
        ...

    async def template(self, messages: tuple[Message, ...]) -> str:
        """The text that the chat template makes of these messages, ready to be answered."""
        ...
