"""A plan's queries against the store: all embedded in one batch, each searched in one round trip, side by side."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tandem.domain.context import RequestContext
from tandem.domain.filters import Filter
from tandem.domain.passage import Passage, Scores
from tandem.domain.query import Query, QueryPlan
from tandem.pipeline.course import Course
from tandem.ports.embedder import DenseVector, Embedder, SparseEmbedder, SparseVector
from tandem.ports.vectors import SearchHits, VectorQuery, Vectors
from tandem.retrieval.fusion import Ranked, Weights, fused
from tandem.retrieval.plan import EMBED, SEARCH, Stage

T = TypeVar("T")

_WORDS_ALONE: DenseVector = ()
_NO_WORDS = SparseVector((), ())


@dataclass(frozen=True, slots=True)
class Searched:
    """What each of the plan's queries found, the question's own first, and all of it as one list, best first."""

    hits: tuple[SearchHits, ...]
    fused: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """Where and how: `collection` is a concrete version, `limit` bounds each leg and the fused list."""

    collection: str
    filters: Filter
    limit: int
    weights: Weights


class Searching:
    """`ahead` are the stages that come after, whose time is not to be used up."""

    def __init__(self, embedder: Embedder, sparse: SparseEmbedder, vectors: Vectors) -> None:
        self._embedder = embedder
        self._sparse = sparse
        self._vectors = vectors

    @property
    def models(self) -> tuple[str, str]:
        """What makes the dense and the sparse vectors, by name."""
        return self._embedder.card.name, self._sparse.name

    async def found(
        self, plan: QueryPlan, search: Search, context: RequestContext, course: Course, ahead: Sequence[Stage]
    ) -> Searched:
        """Raises what the store and, for a question without words, the embedder raise; and `DeadlineExceeded`."""
        sparse = [self._sparse.embed(query.text, "query") if query.sparse else _NO_WORDS for query in plan.queries]
        dense = await self._dense(plan.queries, sparse, course, ahead)
        asked = [
            VectorQuery(
                tenant=context.tenant,
                dense=meaning,
                sparse=words,
                limit=search.limit,
                filters=search.filters,
                within_s=course.left_s(),
                groups=context.groups,
            )
            for meaning, words in zip(dense, sparse, strict=True)
        ]
        hits = await course.take(
            SEARCH, lambda: _together([self._vectors.search(search.collection, each) for each in asked])
        )
        return Searched(tuple(hits), _one_list(plan.queries, hits, search))

    async def _dense(
        self, queries: Sequence[Query], sparse: Sequence[SparseVector], course: Course, ahead: Sequence[Stage]
    ) -> list[DenseVector]:
        """Each query's embedding, or none: then the words are searched for alone."""
        places = [place for place, query in enumerate(queries) if query.dense]
        texts = [queries[place].text for place in places]
        if not texts:
            return [_WORDS_ALONE] * len(queries)
        if not sparse[0].indices:
            vectors = await course.take(EMBED, lambda: self._embedder.embed(texts, "query"))
        elif not course.fits(EMBED, (SEARCH, *ahead)):
            return [_WORDS_ALONE] * len(queries)
        else:
            rest = tuple(stage for stage in ahead if stage.skipped is None)
            vectors = await course.attempt(EMBED, lambda: self._embedder.embed(texts, "query"), (SEARCH, *rest)) or []
        found = dict(zip(places, vectors, strict=False))
        return [found.get(place, _WORDS_ALONE) for place in range(len(queries))]


def _one_list(queries: Sequence[Query], hits: Sequence[SearchHits], search: Search) -> tuple[Passage, ...]:
    """The store's own fusion where it is the one wanted."""
    if len(hits) == 1 and search.weights.even:
        return hits[0].fused
    lists: list[Ranked] = []
    for place, (query, found) in enumerate(zip(queries, hits, strict=True)):
        for leg, weight in ((found.dense, search.weights.dense), (found.sparse, search.weights.sparse)):
            # Another text's cosine and BM25 say nothing of the question.
            lists.append(Ranked(leg if place == 0 else _unscored(leg), query.weight * weight))
    return fused(lists, k=search.weights.k, limit=search.limit)


def _unscored(passages: Sequence[Passage]) -> list[Passage]:
    return [replace(passage, scores=Scores()) for passage in passages]


async def _together(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; the first failure, once the others were stopped."""
    if len(works) == 1:
        return [await works[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
