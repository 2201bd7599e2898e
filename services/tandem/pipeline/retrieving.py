"""A standalone question in, passages out: plan, search, rerank, judge, select; the trace tells every step."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.passage import Legs, Passage, Retrieval, Trace
from tandem.domain.query import QueryPlan
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.course import Course
from tandem.pipeline.planning import AsAsked, Planner
from tandem.pipeline.searching import Search, Searched, Searching
from tandem.ports.clock import Clock
from tandem.ports.embedder import Embedder, SparseEmbedder
from tandem.ports.reranker import Reranker
from tandem.ports.vectors import Vectors
from tandem.retrieval.fusion import Weights
from tandem.retrieval.pace import Pace
from tandem.retrieval.plan import RERANK, SELECT
from tandem.retrieval.relevance import THRESHOLD
from tandem.retrieval.selection import Selection, judged, select


@dataclass(frozen=True, slots=True)
class RetrievalDefaults:
    """What holds when the request says nothing. `candidates` bounds each leg, `max_tokens` all passages together."""

    top_k: int = 5
    candidates: int = 30
    threshold: float = THRESHOLD
    rerank: bool = True
    max_tokens: int = 1500
    weights: Weights = field(default_factory=Weights)


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
        planner: Planner | None = None,
    ) -> None:
        self._searching = Searching(embedder, sparse, vectors)
        self._reranker = reranker
        self._clock = clock
        self._defaults = defaults or RetrievalDefaults()
        self._planner = planner or AsAsked()
        self._pace = Pace()

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """See the port. What does not fit into the time left is left out, as `retrieval/plan.py` says."""
        course = Course(self._pace, self._clock, context.deadline_s)
        try:
            plan = await self._planner.plan(question, options, context, course)
            found = await self._found(plan, options, context, course)
        except (UpstreamUnavailable, UpstreamFailed) as error:
            error.stage = error.stage or "retrieval"
            raise
        ranked, reranker = await self._reranked(plan.question, found.fused, options, context, course)
        with course.measured(SELECT):
            candidates = judged(plan.question, ranked)
            chosen = select(
                candidates,
                top_k=self._top_k(options),
                max_tokens=self._defaults.max_tokens,
                threshold=self._defaults.threshold,
            )
        trace = self._trace(plan, found, candidates, chosen, reranker, course) if options.explain else None
        return Retrieval(chosen.passages, chosen.best, tuple(course.degraded), trace)

    async def _found(
        self, plan: QueryPlan, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> Searched:
        search = Search(
            collection=options.collection,
            filters=(*options.filters, *plan.filters),
            limit=max(self._defaults.candidates, self._top_k(options)),
            weights=self._defaults.weights,
        )
        ahead = (RERANK, SELECT) if self._rerank(options) else (SELECT,)
        return await self._searching.found(plan, search, context, course, ahead)

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

    def _trace(
        self,
        plan: QueryPlan,
        found: Searched,
        candidates: Sequence[Passage],
        chosen: Selection,
        reranker: str | None,
        course: Course,
    ) -> Trace:
        first, *others = found.hits
        return Trace(
            queries=tuple(query.text for query in plan.queries),
            dense=first.dense,
            sparse=first.sparse,
            fused=found.fused,
            reranked=tuple(candidates) if reranker else (),
            dropped=chosen.dropped,
            timings_s=course.timings_s,
            reranker=reranker,
            threshold=self._defaults.threshold,
            plan=plan,
            others=tuple(
                Legs(query.text, hits.dense, hits.sparse) for query, hits in zip(plan.queries[1:], others, strict=True)
            ),
        )

    def _rerank(self, options: RetrievalOptions) -> bool:
        return self._defaults.rerank if options.rerank is None else options.rerank

    def _top_k(self, options: RetrievalOptions) -> int:
        return options.top_k or self._defaults.top_k
