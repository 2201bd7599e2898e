"""Answers of this process, heard to their end."""

from tandem.domain.answer import Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import UpstreamFailed
from tandem.domain.generation import Token
from tandem.domain.question import Question
from tandem.pipeline.whole import Answers
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
        found: Found | None = None
        said: list[str] = []
        async with self._answering.answer(question, context) as events:
            async for event in events:
                if isinstance(event, Found):
                    found = event
                elif isinstance(event, Token):
                    first_s = self._clock.monotonic_s() - began_s if first_s is None else first_s
                    said.append(event.text)
                elif found is not None:
                    total_s = self._clock.monotonic_s() - began_s
                    return WholeAnswer(found, "".join(said).strip(), event, first_s or total_s, total_s)
        raise UpstreamFailed("The answer ended without an end.")
