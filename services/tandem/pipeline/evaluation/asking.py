"""One question put to the pipeline: what it retrieves, what of that reaches the prompt, and what is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tandem.domain.context import RequestContext
from tandem.domain.errors import Overloaded
from tandem.domain.passage import Passage, Retrieval, Trace
from tandem.domain.question import Question, RetrievalOptions
from tandem.pipeline.evaluation.answers import Expected, graded
from tandem.pipeline.evaluation.rows import Row
from tandem.ports.answerer import Answerer, WholeAnswer
from tandem.ports.judge import Judge
from tandem.ports.retriever import Retriever
from tandem.retrieval.labelled import LabelledSet
from tandem.retrieval.losses import lost
from tandem.retrieval.metrics import scores

T = TypeVar("T")
# Chunks are mapped back to documents, so more of them than the ten documents that count.
_DEPTH = 50
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Served:
    """What a user would get: the retrieval behind the prompt, and the answer where one was asked for."""

    retrieval: Retrieval
    answer: WholeAnswer | None = None


Serve = Callable[[str, RetrievalOptions, RequestContext], Awaitable[Served]]


def retrieval_alone(retriever: Retriever) -> Serve:
    """Without an answer."""

    async def serve(question: str, options: RetrievalOptions, context: RequestContext) -> Served:
        return Served(await retriever.retrieve(question, options, context))

    return serve


def with_answer(answerer: Answerer, retriever: Retriever) -> Serve:
    """With it. An answer from afar tells no trace, so the retriever is asked as well."""

    async def serve(question: str, options: RetrievalOptions, context: RequestContext) -> Served:
        answer = await answerer.answer(Question(question, retrieval=options), context)
        if answer.found.retrieval.trace is not None:
            return Served(answer.found.retrieval, answer)
        return Served(await retriever.retrieve(question, options, context), answer)

    return serve


@dataclass(frozen=True, slots=True)
class Asking:
    """`collection` is asked for by that name; `names` maps its document ids to those of the set, others stand for themselves."""

    labelled: LabelledSet
    retriever: Retriever
    serve: Serve
    judge: Judge
    context: RequestContext
    collection: str
    names: Mapping[str, str]

    def blank(self, query: str) -> Row:
        """The question with this id, before it is asked."""
        relevant = tuple(self.labelled.qrels.get(query, {}))
        return Row(query, self.labelled.queries[query], bool(relevant), relevant=relevant)

    async def row(self, query: str) -> Row:
        """What the question with this id comes to. Raises what retriever and answerer raise."""
        blank = self.blank(query)
        expected = Expected(self.labelled.qrels.get(query, {}), self.labelled.answers.get(query, ()))
        options = RetrievalOptions(collection=self.collection, explain=True)
        # First what a user would get: what comes after it finds the question embedded already, and would tell wrong times.
        served = await _patiently(lambda: self.serve(blank.text, options, self.context))
        stages = await self._stages(blank.text, options, expected) if expected.relevant else {}
        retrieval, answer = served.retrieval, served.answer
        row = replace(
            blank,
            stages=stages,
            refused=not retrieval.passages,
            lost=lost(blank.relevant, retrieval.trace or Trace(), retrieval.passages, self._document),
            found=tuple(dict.fromkeys(map(self._document, retrieval.passages))),
            collection=retrieval.collection,
            degraded=retrieval.degraded,
            seconds={"retrieval": sum((retrieval.trace or Trace()).timings_s.values())},
        )
        return row if answer is None else await self._answered(row, retrieval, answer, expected)

    async def _answered(self, row: Row, retrieval: Retrieval, answer: WholeAnswer, expected: Expected) -> Row:
        end, abstained = answer.end, answer.end.outcome == "abstained"
        measures = await graded(answer, retrieval.passages, expected, self.judge, self._document)
        where = row.lost
        if where is None and row.answerable and not measures.get("gold_cited"):
            where = "abstained" if abstained else "not_cited"
        return replace(
            row,
            measures=measures,
            abstained=abstained,
            cached=end.cached,
            lost=where,
            answer=answer.text,
            model=_model(answer),
            prompt=answer.found.prompt,
            degraded=tuple(dict.fromkeys((*row.degraded, *end.degraded))),
            seconds={**row.seconds, "first_token": answer.first_token_s, "answer": answer.total_s},
            tokens={"prompt": end.usage.prompt_tokens, "completion": end.usage.completion_tokens},
        )

    async def _stages(self, text: str, options: RetrievalOptions, expected: Expected) -> dict[str, dict[str, float]]:
        deep = replace(options, top_k=_DEPTH)
        found = await _patiently(lambda: self.retriever.retrieve(text, deep, self.context))
        return {
            stage: scores(list(dict.fromkeys(map(self._document, passages))), expected.relevant)
            for stage, passages in _stages(found).items()
        }

    def _document(self, passage: Passage) -> str:
        named = passage.chunk.document_id
        return self.names.get(named, named)


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Again after as long as an overloaded server asks for; an evaluation is in no hurry."""
    for left in reversed(range(_TRIES)):
        try:
            return await work()
        except Overloaded as error:
            if not left or error.spent:
                raise
            await asyncio.sleep(error.retry_after_s)
    raise AssertionError("the last try returns or raises")


def _stages(found: Retrieval) -> dict[str, Sequence[Passage]]:
    trace = found.trace or Trace()
    stages: dict[str, Sequence[Passage]] = {"dense": trace.dense, "sparse": trace.sparse, "fused": trace.fused}
    return stages | ({"reranked": trace.reranked} if trace.reranker else {})


def _model(answer: WholeAnswer) -> str:
    card = answer.found.model
    return f"{card.id}@{card.revision}" if card.revision else card.id
