"""An answering pipeline that plays a script, and remembers how it was left."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tandem.domain.answer import Answered, AnswerEvent, Citation, Found
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.errors import TandemError, UnknownModel
from tandem.domain.generation import ModelCard, Token, Usage
from tandem.domain.passage import Passage, Retrieval, Scores, Trace
from tandem.domain.question import Question, RetrievalOptions

CARD = ModelCard(id="scripted-1", engine="scripted", context_tokens=4096)
PASSAGE = Passage(
    Chunk("guide/harbour.md", 3, "The harbour opens at seven. It closes at nine.", ("Guide", "Harbour"), 10, 57, 11),
    title="Guide",
    source="guide/harbour.md",
    scores=Scores(dense=0.8, sparse=4.2, fused=0.03, relevance=0.9),
)
FOUND = Found(
    Retrieval((PASSAGE,), 0.9, trace=Trace(queries=("When does it open?",), fused=(PASSAGE,))),
    question="When does the harbour open?",
    model=CARD,
    prompt="answer@1",
)
ANSWERED = Answered(
    "answered", "stop", Usage(12, 4), (Citation(1, PASSAGE, 0, 27),), timings_s={"retrieval": 0.01, "generation": 0.02}
)
Step = AnswerEvent | TandemError | BaseException | float | asyncio.Event
SCRIPT: tuple[Step, ...] = (FOUND, Token("At "), Token("seven “h” 🚢"), Token(" [1]."), ANSWERED)


class ScriptedAnswers:
    """Plays its steps in order: an event is given, an error raised, a number slept (seconds), an `asyncio.Event` awaited."""

    def __init__(self, steps: Sequence[Step] = SCRIPT) -> None:
        self.steps = tuple(steps)
        self.asked: list[tuple[Question, RequestContext]] = []
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.given = 0
        self.cancelled = False

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        self.asked.append((question, context))
        if question.model not in {None, CARD.id}:
            raise UnknownModel("There is no such model.", param="model")
        self.entered.set()
        try:
            yield self._play()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.left.set()

    async def _play(self) -> AsyncIterator[AnswerEvent]:
        for step in self.steps:
            match step:
                case BaseException():
                    raise step
                case float() | int():
                    await asyncio.sleep(step)
                case asyncio.Event():
                    await step.wait()
                case _:
                    self.given += 1
                    yield step


class OneModel:
    """The only model there is, or what is said when it is asked for."""

    def __init__(self, card: ModelCard | TandemError = CARD) -> None:
        self._card = card

    async def models(self) -> list[ModelCard]:
        if isinstance(self._card, TandemError):
            raise self._card
        return [self._card]


class OneRetrieval:
    """A retriever that finds one thing, or fails one way; remembers what it was asked."""

    def __init__(self, result: Retrieval | TandemError = FOUND.retrieval) -> None:
        self.result = result
        self.asked: list[tuple[str, RetrievalOptions, RequestContext]] = []

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        self.asked.append((question, options, context))
        if isinstance(self.result, TandemError):
            raise self.result
        return self.result
