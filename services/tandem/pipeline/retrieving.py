"""A standalone question in, passages out: embed, search both ways, rerank, judge, select; the trace tells every step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.passage import Passage, Retrieval, Trace
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.course import Course
from tandem.ports.clock import Clock
from tandem.ports.embedder import DenseVector, Embedder, SparseEmbedder, SparseVector
from tandem.ports.reranker import Reranker
from tandem.ports.vectors import SearchHits, VectorQuery, Vectors
from tandem.retrieval.pace import Pace
from tandem.retrieval.plan import EMBED, NO_EXPANSION, RERANK, SEARCH, SELECT
from tandem.retrieval.relevance import THRESHOLD
from tandem.retrieval.selection import judged, select

_WORDS_ALONE: DenseVector = ()


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
        self._pace = Pace()

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """See the port. What does not fit into the time left is left out, as `retrieval/plan.py` says."""
        course = Course(self._pace, self._clock, context.deadline_s)
        try:
            hits = await self._found(question, options, context, course)
        except (UpstreamUnavailable, UpstreamFailed) as error:
            error.stage = error.stage or "retrieval"
            raise
        ranked, reranker = await self._reranked(question, hits.fused, options, context, course)
        threshold = self._defaults.threshold
        with course.measured(SELECT):
            candidates = judged(question, ranked)
            top_k = options.top_k or self._defaults.top_k
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
                timings_s=course.timings_s,
                reranker=reranker,
                threshold=threshold,
            )
        # Asked for, and not there yet: said, not passed over in silence.
        degraded = (*course.degraded, *((NO_EXPANSION,) if options.expand else ()))
        return Retrieval(chosen.passages, chosen.best, degraded, trace)

    async def _found(
        self, question: str, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> SearchHits:
        sparse = self._sparse.embed(question, "query")
        dense = await self._dense(question, sparse, options, course)
        query = VectorQuery(
            tenant=context.tenant,
            dense=dense,
            sparse=sparse,
            limit=max(self._defaults.candidates, options.top_k or self._defaults.top_k),
            filters=options.filters,
            within_s=course.left_s(),
        )
        return await course.take(SEARCH, lambda: self._vectors.search(options.collection, query))

    async def _dense(
        self, question: str, sparse: SparseVector, options: RetrievalOptions, course: Course
    ) -> DenseVector:
        """The question's embedding, or none: then its words are searched for alone."""
        if not sparse.indices:
            return (await course.take(EMBED, lambda: self._embedder.embed([question], "query")))[0]
        if not course.fits(EMBED, (SEARCH, RERANK, SELECT) if self._rerank(options) else (SEARCH, SELECT)):
            return _WORDS_ALONE
        vectors = await course.attempt(EMBED, lambda: self._embedder.embed([question], "query"), (SEARCH, SELECT))
        return _WORDS_ALONE if vectors is None else vectors[0]

    async def _reranked(
        self,
        question: str,
        passages: Sequence[Passage],
        options: RetrievalOptions,
        context: RequestContext,
        course: Course,
    ) -> tuple[Sequence[Passage], str | None]:
        """The passages in the reranker's order, and its name when it gave one."""
        if not self._rerank(options) or not passages or not course.fits(RERANK, (SELECT,)):
            return passages, None
        try:
            scores = await course.attempt(RERANK, lambda: self._reranker.score(question, passages, context), (SELECT,))
        except TandemError:
            # The fused order is good already: better that than no answer.
            course.failed(RERANK)
            return passages, None
        if scores is None:
            return passages, None
        scored = [
            replace(passage, scores=replace(passage.scores, rerank=score))
            for passage, score in zip(passages, scores, strict=True)
        ]
        scored.sort(key=lambda passage: (-(passage.scores.rerank or 0.0), passage.chunk.id))
        return scored, self._reranker.name

    def _rerank(self, options: RetrievalOptions) -> bool:
        return self._defaults.rerank if options.rerank is None else options.rerank
