"""What is checked, and the few ways in which every check asks it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.context import RequestContext
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token
from tandem.domain.question import Message, Sampling
from tandem.ports.clock import Clock
from tandem.ports.generator import Generator
from tandem.ports.wire import Wire

Protocol = Literal["tgi", "openai"]


class Violated(Exception):
    """The predictor does what it must not, or fails to do what it must; the message says what was seen."""


class Skipped(Exception):
    """This predictor cannot be put to the check; the message says why."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A predictor behind HTTP. `named` is the same server asked for a model of another name, `anonymous` the same
    without a key; None where that makes no difference.
    """

    wire: Wire
    protocol: Protocol
    model: str
    named: Callable[[str], AbstractAsyncContextManager[Generator]] | None = None
    keyless: Callable[[], AbstractAsyncContextManager[Wire]] | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """`remote` is None for a model of this process. `load` counts the requests it has now, where it shows them; `bound`
    tells how many it takes at once, where it tells. At most `streams` are opened at a time.
    """

    generator: Generator
    clock: Clock
    remote: Remote | None = None
    load: Callable[[], Awaitable[int | None]] | None = None
    bound: Callable[[], Awaitable[int | None]] | None = None
    streams: int = 32
    settle_s: float = 5.0


@dataclass(slots=True)
class Answer:
    """One answer as it was heard, with seconds until its first token and its end."""

    pieces: list[str] = field(default_factory=list)
    finished: Finished | None = None
    first_s: float = 0.0
    total_s: float = 0.0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)

    @property
    def end(self) -> Finished:
        """The last event. Raises `Violated` when there was none."""
        if self.finished is None:
            raise Violated("the stream ended without its end")
        return self.finished


def prompt(text: str) -> Prompt:
    """One message of a user."""
    return Prompt((Message("user", text),), "conformance@1")


def context(deadline_s: float | None = None) -> RequestContext:
    """`deadline_s` is an instant of the subject's clock."""
    return RequestContext("conformance", deadline_s=deadline_s)


@asynccontextmanager
async def opened(
    subject: Subject, text: str, sampling: Sampling, deadline_s: float | None = None
) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
    """A stream of the subject."""
    async with subject.generator.stream(prompt(text), sampling, context(deadline_s)) as events:
        yield events


async def answered(subject: Subject, text: str, sampling: Sampling, deadline_s: float | None = None) -> Answer:
    """A whole answer. Raises `Violated` when events come in a wrong order, and what the generator raises."""
    began_s = subject.clock.monotonic_s()
    heard = Answer()
    async with opened(subject, text, sampling, deadline_s) as events:
        async for event in events:
            if heard.finished is not None:
                raise Violated(f"{event!r} came after the end")
            if isinstance(event, Token):
                if not heard.pieces:
                    heard.first_s = subject.clock.monotonic_s() - began_s
                heard.pieces.append(event.text)
            else:
                heard.finished = event
    heard.total_s = subject.clock.monotonic_s() - began_s
    if heard.finished is None:
        raise Violated("the stream ended without its end")
    return heard


async def carded(subject: Subject) -> ModelCard:
    """What the subject says of itself."""
    return await subject.generator.card()


async def bound_of(subject: Subject) -> int | None:
    """How many requests it takes at once, None when it does not tell."""
    return None if subject.bound is None else await subject.bound()


async def load_of(subject: Subject) -> int | None:
    """How many it has now, None when it does not show."""
    return None if subject.load is None else await subject.load()
