"""Answers of this process, heard to their end."""

from tandem.domain.context import RequestContext
from tandem.domain.question import Question
from tandem.pipeline.whole import Answers, whole
from tandem.ports.answerer import WholeAnswer
from tandem.ports.clock import Clock


class WholeAnswers:
    """`ports/answerer.py` over that flow."""

    def __init__(self, answering: Answers, clock: Clock) -> None:
        self._answering = answering
        self._clock = clock

    async def answer(self, question: Question, context: RequestContext) -> WholeAnswer:
        """See the port."""
        began_s = self._clock.monotonic_s()
        first_s: float | None = None

        async def heard(_: str) -> None:
            nonlocal first_s
            first_s = self._clock.monotonic_s() - began_s if first_s is None else first_s

        found, text, end = await whole(self._answering, question, context, heard)
        total_s = self._clock.monotonic_s() - began_s
        return WholeAnswer(found, text.strip(), end, first_s or total_s, total_s)
