"""An answer as it unfolds: what was found, its text piece by piece, and how it ended."""

from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.generation import FinishReason, ModelCard, Token, Usage
from tandem.domain.passage import Passage, Retrieval
from tandem.domain.route import Route


@dataclass(frozen=True, slots=True)
class Citation:
    """`[number]` in the answer, the passage it stands for, and the character span of the chunk's text that supports it."""

    number: int
    passage: Passage
    start: int
    end: int


# `ungrounded`: nothing could be searched, and the model answered by itself.
Outcome = Literal["answered", "abstained", "ungrounded"]


@dataclass(frozen=True, slots=True)
class Found:
    """First event: what was retrieved, and which model will speak; `route` is the way to it."""

    retrieval: Retrieval
    question: str
    model: ModelCard
    prompt: str
    route: Route = field(default_factory=Route)


@dataclass(frozen=True, slots=True)
class Answered:
    """Last event: how the answer ended, and what it cites. `cached`: it was not generated for this request."""

    outcome: Outcome
    finish_reason: FinishReason
    usage: Usage
    citations: tuple[Citation, ...] = ()
    degraded: tuple[str, ...] = ()
    timings_s: dict[str, float] = field(default_factory=dict)
    cached: bool = False


AnswerEvent = Found | Token | Answered
