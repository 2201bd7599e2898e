"""A standalone question in, passages out: embed, search both ways, rerank, judge, select; the trace tells every step."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, TandemError
from tandem.domain.passage import Passage, Retrieval, Trace
from tandem.domain.question import RetrievalOptions
from tandem.ports.clock import Clock
from tandem.ports.embedder import Embedder, SparseEmbedder
from tandem.ports.reranker import Reranker
from tandem.ports.vectors import VectorQuery, Vectors
from tandem.retrieval.relevance import THRESHOLD
from tandem.retrieval.selection import judged, select

T = TypeVar("T")

# With less time than this left, a second look would be cut off anyway.
_RERANK_NEEDS_S = 0.3


@dataclass(frozen=True, slots=True)
class RetrievalDefaults:
    """What holds when the request says nothing. `candidates` bounds each leg, `max_tokens` all passages together."""

    top_k: int = 5
    candidates: int = 30
    threshold: float = THRESHOLD
    rerank: bool = True
    max_tokens: int = 1500


class Retrieving:
    """`ports/retriever.py` in this process."""

    def __init__(
        self,
        embedder: Embedder,
        sparse: SparseEmbedder,
        vectors: Vectors,
        reranker: Reranker,
        clock: Clock,
        defaults: RetrievalDefaults | None = None,
    ) -> None:
        self._embedder = embedder
        self._sparse = sparse
        self._vectors = vectors
        self._reranker = reranker
        self._clock = clock
        self._defaults = defaults or RetrievalDefaults()

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """See the port."""
        timings: dict[str, float] = {}
        dense = (await self._timed(timings, "embed", self._embedder.embed([question], "query"), context))[0]
        top_k = options.top_k or self._defaults.top_k
        query = VectorQuery(
            tenant=context.tenant,
            dense=dense,
            sparse=self._sparse.embed(question, "query"),
            limit=max(self._defaults.candidates, top_k),
            filters=options.filters,
        )
        hits = await self._timed(timings, "search", self._vectors.search(options.collection, query), context)
        ranked, reranker, degraded = await self._reranked(question, hits.fused, options, context, timings)
        candidates = judged(question, ranked)
        threshold = self._defaults.threshold
        chosen = select(candidates, top_k=top_k, max_tokens=self._defaults.max_tokens, threshold=threshold)
        trace = None
        if options.explain:
            trace = Trace(
                queries=(question,),
                dense=hits.dense,
                sparse=hits.sparse,
                fused=hits.fused,
                reranked=tuple(candidates) if reranker else (),
                dropped=chosen.dropped,
                timings_s=timings,
                reranker=reranker,
                threshold=threshold,
            )
        # Asked for, and not there yet: said, not passed over in silence.
        degraded += ("expand_unavailable",) if options.expand else ()
        return Retrieval(chosen.passages, chosen.best, degraded, trace)

    async def _reranked(
        self,
        question: str,
        passages: Sequence[Passage],
        options: RetrievalOptions,
        context: RequestContext,
        timings: dict[str, float],
    ) -> tuple[Sequence[Passage], str | None, tuple[str, ...]]:
        """The passages in the reranker's order, its name when it was asked, and what had to be left out."""
        wanted = self._defaults.rerank if options.rerank is None else options.rerank
        if not wanted or not passages:
            return passages, None, ()
        left_s = self._left_s(context)
        if left_s is not None and left_s < _RERANK_NEEDS_S:
            return passages, None, ("rerank_skipped",)
        try:
            scores = await self._timed(timings, "rerank", self._reranker.score(question, passages, context), context)
        except TandemError:
            # The fused order is good already: better that than no answer.
            return passages, None, ("rerank_failed",)
        scored = [
            replace(passage, scores=replace(passage.scores, rerank=score))
            for passage, score in zip(passages, scores, strict=True)
        ]
        scored.sort(key=lambda passage: (-(passage.scores.rerank or 0.0), passage.chunk.id))
        return scored, self._reranker.name, ()

    async def _timed(self, timings: dict[str, float], stage: str, work: Awaitable[T], context: RequestContext) -> T:
        """What `work` returns, within what is left of the request's time. Raises `DeadlineExceeded(stage)`."""
        began_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._left_s(context)):
                return await work
        except TimeoutError as error:
            raise DeadlineExceeded(stage) from error
        finally:
            timings[stage] = self._clock.monotonic_s() - began_s

    def _left_s(self, context: RequestContext) -> float | None:
        return None if context.deadline_s is None else max(0.0, context.deadline_s - self._clock.monotonic_s())
