"""Question in, cited answer out: retrieve, prompt, generate, cite, or say that the documents do not tell."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tandem.domain.answer import Answered, AnswerEvent, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, UpstreamFailed
from tandem.domain.generation import GenerationEvent, Token, Usage
from tandem.domain.question import Question
from tandem.ports.clock import Clock
from tandem.ports.generator import Generator
from tandem.ports.retriever import Retriever
from tandem.prompting.citations import cite
from tandem.prompting.templates import Templates
from tandem.retrieval.standalone import standalone

ABSTENTION = "I don't know from these documents."


class Answering:
    """The one flow that every serving mode takes."""

    def __init__(
        self,
        retriever: Retriever,
        generator: Generator,
        templates: Templates,
        clock: Clock,
        *,
        default_prompt: str = "answer@1",
        max_tokens: int = 256,
    ) -> None:
        self._retriever = retriever
        self._generator = generator
        self._templates = templates
        self._clock = clock
        self._default_prompt = default_prompt
        self._max_tokens = max_tokens

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        """`Found`, tokens, `Answered`. Leaving early cancels what runs upstream.

        Raises what the ports raise, and `DeadlineExceeded` with the stage that ran out of time.
        """
        began_s = self._clock.monotonic_s()
        asked = standalone(question.text, question.conversation)
        template = self._templates.known(question.prompt or self._default_prompt)
        async with self._stage("retrieval", context):
            retrieval = await self._retriever.retrieve(asked, question.retrieval, context)
            card = await self._generator.card()
        found_s = self._clock.monotonic_s()
        found = Found(retrieval, asked, card, template)
        timings = {"retrieval": found_s - began_s}
        if not retrieval.passages:
            yield self._abstain(found, timings)
            return
        prompt = self._templates.render(template, asked, retrieval.passages, question.conversation)
        sampling = replace(question.sampling, max_tokens=question.sampling.max_tokens or self._max_tokens)
        async with self._generator.stream(prompt, sampling, context) as events:
            yield self._tell(found, events, timings, found_s)

    async def _abstain(self, found: Found, timings: dict[str, float]) -> AsyncIterator[AnswerEvent]:
        """Nothing relevant was found: the model is not even asked, so its judgement cannot be wrong."""
        yield found
        yield Token(ABSTENTION)
        yield Answered("abstained", "stop", Usage(0, 0), degraded=found.retrieval.degraded, timings_s=timings)

    async def _tell(
        self, found: Found, events: AsyncIterator[GenerationEvent], timings: dict[str, float], asked_s: float
    ) -> AsyncIterator[AnswerEvent]:
        yield found
        said: list[str] = []
        async for event in events:
            if isinstance(event, Token):
                if not said:
                    timings["first_token"] = self._clock.monotonic_s() - asked_s
                said.append(event.text)
                yield event
                continue
            timings["generation"] = self._clock.monotonic_s() - asked_s
            answer = "".join(said).strip()
            degraded = found.retrieval.degraded
            if not answer:
                # A model that has nothing to say has not answered.
                yield Token(ABSTENTION)
            if answer in ("", ABSTENTION):
                yield Answered("abstained", event.reason, event.usage, degraded=degraded, timings_s=timings)
                return
            citations = cite(answer, found.retrieval.passages)
            yield Answered("answered", event.reason, event.usage, citations, degraded, timings)
            return
        raise UpstreamFailed("The model's answer ended without an end.")

    @asynccontextmanager
    async def _stage(self, name: str, context: RequestContext) -> AsyncIterator[None]:
        left_s = None if context.deadline_s is None else context.deadline_s - self._clock.monotonic_s()
        if left_s is not None and left_s <= 0:
            raise DeadlineExceeded(name)
        try:
            async with asyncio.timeout(left_s):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(name) from error
