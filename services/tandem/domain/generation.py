"""What goes to a model and what comes back."""

from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.model_version import UNTOLD, Ancestry
from tandem.domain.question import Message


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages ready for a model's chat template, and the template that made them, as `name@version`."""

    messages: tuple[Message, ...]
    template: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model: `id` is its public name, `engine` what runs it, `revision` an immutable version if known,
    `ancestry` what it was made from, as far as it is told.
    """

    id: str
    engine: str
    context_tokens: int
    revision: str | None = None
    ancestry: Ancestry = UNTOLD


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts by the engine's own tokenizer."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer: one token, or as much text as arrived together. Never splits a character.

    `more`: the next event is here already, so that both may be passed on together. It may stay False.
    """

    text: str
    more: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every whole stream. A stream that ends without it was cut short.

    `stop_sequence` is the one that ended it, where the engine tells; None after the model's own end.
    """

    reason: FinishReason
    usage: Usage
    stop_sequence: str | None = None


GenerationEvent = Token | Finished
