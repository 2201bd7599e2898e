"""What the chat route needs from the core and from measuring, as Protocols."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tandem.domain.answer import AnswerEvent
from tandem.domain.context import RequestContext
from tandem.domain.question import Question


class Answers(Protocol):
    """`pipeline/answering.py` is one."""

    def answer(
        self, question: Question, context: RequestContext
    ) -> AbstractAsyncContextManager[AsyncIterator[AnswerEvent]]:
        """`Found`, then tokens, then `Answered`; leaving it early cancels the generation."""
        ...


class AnswerMeter(Protocol):
    """Where answers are counted; `observe/metrics.py` is one."""

    def first_token(self, since_arrival_s: float, example: str | None) -> None:
        """The first text left; `example` is the id of the trace, where that is kept."""
        ...

    def answered(self, outcome: str) -> None:
        """An answer was given whole."""
        ...
