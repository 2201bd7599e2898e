"""A whole answer to a question, from this process or from a running Tandem."""

from dataclasses import dataclass
from typing import Protocol

from tandem.domain.answer import Answered, Found
from tandem.domain.context import RequestContext
from tandem.domain.question import Question


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """`first_token_s` and `total_s` are counted from asking.

    From another process `found.retrieval` may lack trace and passages: then only what is cited is known.
    """

    found: Found
    text: str
    end: Answered
    first_token_s: float
    total_s: float


class Answerer(Protocol):
    """Answers one question at a time per call; calls may run side by side."""

    async def answer(self, question: Question, context: RequestContext) -> WholeAnswer:
        """The answer to its end. Raises what an answer can fail with, see `domain/errors.py`."""
        ...
