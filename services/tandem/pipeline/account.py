"""The account of one answer while it is made: references to what there is already, so that keeping it costs next to nothing."""

from dataclasses import replace
from typing import Self

from tandem.domain.answer import Answered, Citation, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import Overloaded, ResidencyRefused, TandemError
from tandem.domain.generation import Prompt
from tandem.domain.model_version import UNTOLD
from tandem.domain.passage import Passage, Retrieval, StageTime
from tandem.domain.question import Question, RetrievalOptions, Sampling
from tandem.domain.record import (
    AnswerRecord,
    Asker,
    RecordedAnswer,
    RecordedCitation,
    RecordedError,
    RecordedModel,
    RecordedOptions,
    RecordedOutcome,
    RecordedPassage,
    RecordedPrompt,
    RecordedQuestion,
    RecordedRetrieval,
    RecordedTiming,
    RecordedTrace,
)
from tandem.pipeline.admitted import Admitted
from tandem.ports.clock import Clock

# What `asyncio.Task.cancel` is told when the client has left.
CLIENT_CLOSED = "client_closed"
_ROOM = 2_000


class Account:
    """`ports/monitor.py`'s `Recordable`: each part of the flow notes what it has, leaving it ends it. Instants are monotonic."""

    __slots__ = ("_began_at", "_clock", "_context", "_ended_s", "_failed", "_question", "admitted", "asked_s", "began_s", "end", "first_s", "found", "prompt", "release", "retrieval", "retrieved_s", "retrieving_s", "said", "sampling", "searched", "slot_s", "template")  # fmt: skip

    def __init__(
        self, question: Question, context: RequestContext, template: str, clock: Clock, release: str = ""
    ) -> None:
        self._clock = clock
        self._question = question
        self._context = context
        self._began_at = clock.epoch_s()
        self._ended_s: float | None = None
        self._failed: tuple[RecordedOutcome, RecordedError] | None = None
        self.began_s = clock.monotonic_s()
        self.slot_s: float | None = None
        self.retrieving_s: float | None = None
        self.retrieved_s: float | None = None
        self.asked_s: float | None = None
        self.first_s: float | None = None
        self.admitted: Admitted | None = None
        self.searched: str | None = None
        self.retrieval: Retrieval | None = None
        self.template = template
        self.release = release
        self.prompt: Prompt | None = None
        self.sampling: Sampling = question.sampling
        self.found: Found | None = None
        self.said: list[str] = []
        self.end: Answered | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Nothing more happens; `error` is why, when it has no end. Only what it says is kept, not what it holds."""
        self._ended_s = self._clock.monotonic_s()
        if self.end is None:
            self._failed = _fault(error, self._context.progress.stage)
        self._context.progress.outcome = self._failed[0] if self._failed else self.end.outcome if self.end else ""

    @property
    def key(self) -> tuple[str, str]:
        """See the port."""
        return self._context.tenant, self._context.answer_id

    @property
    def size(self) -> int:
        """See the port: texts dwarf the rest, and the prompt holds those of the passages."""
        passages = self.retrieval.passages if self.retrieval else ()
        prompt = sum(len(message.content) for message in self.prompt.messages) if self.prompt else 0
        return _ROOM + len(self._question.text) + prompt + sum(len(passage.chunk.text) for passage in passages)

    def record(self) -> AnswerRecord:
        """See the port."""
        context, span = self._context, self._context.span
        outcome, error = self._failed or (None, None)
        if self.end is not None:
            outcome, error = self.end.outcome, None
        return AnswerRecord(
            id=context.answer_id,
            request_id=context.request_id,
            mode=context.mode,
            outcome=outcome or "cancelled",
            asker=Asker(context.tenant, context.user, self._question.user, context.groups),
            question=self._asked(),
            retrieval=self._retrieved(),
            answer=self._answer(),
            timing=self._timing(),
            sampling=self.sampling,
            trace=None if span is None else RecordedTrace(span.trace_id, span.span_id, span.parent_id, span.sampled),
            prompt=self._prompted(),
            model=self._model(),
            error=error,
            release=self.release,
            degraded=self.end.degraded if self.end else self.retrieval.degraded if self.retrieval else (),
        )

    def _asked(self) -> RecordedQuestion:
        asked = self._question
        made = self.retrieval.provenance if self.retrieval else None
        return RecordedQuestion(
            asked.text, asked.conversation, self.searched, made.queries if made else (), len(asked.text)
        )

    def _retrieved(self) -> RecordedRetrieval:
        asked, found = self._question.retrieval.collection, self.retrieval
        options = _options(self._question.retrieval)
        if found is None:
            return RecordedRetrieval(asked, options=options)
        made = found.provenance
        passages = tuple(map(_passage, found.passages))
        return RecordedRetrieval(
            asked,
            found.collection,
            made.embedder,
            made.sparse,
            made.reranker,
            found.relevance,
            found.suspicious,
            passages,
            options,
        )

    def _prompted(self) -> RecordedPrompt | None:
        if self.prompt is None:
            return RecordedPrompt(self.template) if self.retrieval else None
        messages = self.prompt.messages
        return RecordedPrompt(self.prompt.template, messages, sum(len(message.content) for message in messages))

    def _model(self) -> RecordedModel | None:
        if self.admitted is None:
            return None
        card = self.found.model if self.found else self.admitted.card
        route = self.admitted.route
        return RecordedModel(
            id=card.id if card else "",
            engine=card.engine if card else "",
            revision=card.revision if card else None,
            pool=route.pool,
            region=route.region,
            reason=route.reason,
            attempts=route.attempts,
            allowed_regions=route.regions,
            ancestry=card.ancestry if card else UNTOLD,
        )

    def _answer(self) -> RecordedAnswer:
        text, end = "".join(self.said), self.end
        cost = self.admitted.cost if self.admitted else 0.0
        if end is None:
            spent = self.admitted.spent if self.admitted else None
            told = (spent.prompt_tokens, spent.completion_tokens) if spent else (0, 0)
            return RecordedAnswer(text, len(text), (), None, *told, cost)
        return RecordedAnswer(
            text,
            len(text),
            tuple(map(_citation, end.citations)),
            end.finish_reason,
            end.usage.prompt_tokens,
            end.usage.completion_tokens,
            cost,
            end.cached,
        )

    def _timing(self) -> RecordedTiming:
        ended_s = self.began_s if self._ended_s is None else self._ended_s
        stages = [StageTime("queue", 0.0, (ended_s if self.slot_s is None else self.slot_s) - self.began_s)]
        if self.retrieving_s is not None:
            until_s = ended_s if self.retrieved_s is None else self.retrieved_s
            since_s = self.retrieving_s - self.began_s
            stages.append(StageTime("retrieval", since_s, until_s - self.retrieving_s))
            if self.retrieval is not None:
                stages += [replace(each, began_s=since_s + each.began_s) for each in self.retrieval.provenance.stages]
        if self.asked_s is not None:
            stages.append(StageTime("generation", self.asked_s - self.began_s, ended_s - self.asked_s))
        first_s = None if self.first_s is None else self.first_s - self.began_s
        return RecordedTiming(self._began_at, ended_s - self.began_s, first_s, tuple(stages))


def _fault(error: BaseException | None, stage: str) -> tuple[RecordedOutcome, RecordedError]:
    if isinstance(error, TandemError):
        refused = isinstance(error, (Overloaded, ResidencyRefused))
        return "refused" if refused else "failed", RecordedError(error.code, error.message, error.stage or stage)
    if isinstance(error, Exception):
        return "failed", RecordedError("internal_error", "An unforeseen fault.", stage)
    if error is not None and error.args == (CLIENT_CLOSED,):
        return "client_closed", RecordedError(CLIENT_CLOSED, "The client left before the end.", stage)
    return "cancelled", RecordedError("cancelled", "It was ended before it was whole.", stage)


def _options(said: RetrievalOptions) -> RecordedOptions:
    return RecordedOptions(
        said.top_k, said.rerank, said.expand, said.self_query, said.neighbours, said.diversity, said.filters
    )


def _passage(passage: Passage) -> RecordedPassage:
    chunk = passage.chunk
    return RecordedPassage(
        chunk.id,
        chunk.document_id,
        passage.title,
        passage.source,
        chunk.start,
        chunk.end,
        chunk.page,
        passage.scores,
        passage.flags,
        chunk.text,
    )


def _citation(citation: Citation) -> RecordedCitation:
    return RecordedCitation(citation.number, citation.passage.chunk.id, citation.start, citation.end)
