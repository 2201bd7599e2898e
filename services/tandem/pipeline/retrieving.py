"""A standalone question in, passages out: plan, search, rerank, judge, select; the trace tells every step."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.passage import Legs, Passage, Provenance, Retrieval, Trace
from tandem.domain.query import QueryPlan
from tandem.domain.question import Reach, RetrievalOptions
from tandem.pipeline.course import Course
from tandem.pipeline.planning import AsAsked, Planner
from tandem.pipeline.reranking import Reranked, reranked
from tandem.pipeline.searching import Search, Searched, Searching
from tandem.ports.clock import Clock
from tandem.ports.embedder import Embedder, SparseEmbedder
from tandem.ports.reranker import Reranker
from tandem.ports.vectors import Vectors
from tandem.retrieval.fusion import Weights
from tandem.retrieval.neighbours import wanted, widened
from tandem.retrieval.pace import Pace
from tandem.retrieval.phrases import holding
from tandem.retrieval.plan import EMBED, FILTER_IGNORED, NEIGHBOURS, RERANK, SEARCH, SELECT, Stage
from tandem.retrieval.relevance import THRESHOLD
from tandem.retrieval.selection import Limits, Selection, judged, select
from tandem.retrieval.spaces import Spaces, shared
from tandem.retrieval.suspicion import Screened, Treatment, flags_of, screened

# A quoted phrase is looked for in what was found, so more is asked for.
_WITH_PHRASES = 100


@dataclass(frozen=True, slots=True)
class RetrievalDefaults:
    """What holds when the request says nothing. `candidates` bounds each leg, `max_tokens` all passages together."""

    top_k: int = 5
    candidates: int = 30
    threshold: float = THRESHOLD
    rerank: bool = True
    max_tokens: int = 1500
    diversity: float = 0.0
    neighbours: Reach = 0
    suspicious: Treatment = "flag"
    weights: Weights = field(default_factory=Weights)


@dataclass(frozen=True, slots=True)
class _Round:
    """One search and all that came of it. `candidates` are judged, in their last order."""

    plan: QueryPlan
    found: Searched
    candidates: tuple[Passage, ...]
    reranker: str | None
    chosen: Selection


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
        self._embedder = embedder
        self._sparse = sparse
        self._vectors = vectors
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
            # Promoted in between, another version would be read by the calls that follow.
            options = replace(options, collection=await self._version(options.collection, course))
            spaces = await self._spaces(options.collection, course)
            plan = spaces.limited(await self._planner.plan(question, options, context, course))
            best = await self._round(plan, options, context, course)
            # Conditions read out of the question may be wrong: they turn no answerable question into a refusal.
            if plan.inferred and not best.chosen.passages and course.affords((EMBED, SEARCH, SELECT)):
                course.note(FILTER_IGNORED)
                best = await self._round(plan.relaxed(), options, context, course)
        except (UpstreamUnavailable, UpstreamFailed) as error:
            error.stage = error.stage or "retrieval"
            raise
        wide = await self._widened(best.chosen, options, context, course)
        # A neighbour may bring what the passage itself was free of.
        best = replace(best, chosen=replace(wide, passages=screened(wide.passages, "flag").passages))
        trace = self._trace(best, course) if options.explain else None
        suspicious = sum(bool(passage.flags) for passage in best.chosen.passages)
        suspicious += sum(dropped.reason == "suspicious" for dropped in best.chosen.dropped)
        return Retrieval(
            best.chosen.passages,
            best.chosen.best,
            tuple(course.degraded),
            trace,
            options.collection,
            suspicious,
            self._provenance(best, course),
        )

    async def _version(self, collection: str, course: Course) -> str:
        return await course.within(SEARCH, lambda: self._vectors.resolve(collection))

    async def _spaces(self, version: str, course: Course) -> Spaces:
        recipe = await course.within(SEARCH, lambda: self._vectors.recipe(version))
        spaces = shared(version, recipe, self._embedder.card, self._sparse.name)
        for word in spaces.lacking:
            course.note(word)
        return spaces

    async def _round(
        self, plan: QueryPlan, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> _Round:
        found = await self._found(plan, options, context, course)
        held, lacking = holding(plan.phrases, found.fused) if plan.phrases else (found.fused, ())
        ranked = Reranked(held)
        if self._rerank(options):
            ranked = await reranked(self._reranker, plan.question, held, context, course, self._after_rerank(options))
        with course.measured(SELECT):
            candidates = judged(plan.question, ranked.passages)
            looked_at = self._screened(candidates, options)
            chosen = select(looked_at.passages, self._limits(options))
        chosen = replace(chosen, dropped=(*lacking, *looked_at.dropped, *chosen.dropped))
        return _Round(plan, found, tuple(candidates), ranked.by, chosen)

    def _screened(self, candidates: Sequence[Passage], options: RetrievalOptions) -> Screened:
        """All candidates where that decides something or is to be told; else those that are chosen will do."""
        if self._defaults.suspicious == "flag" and not options.explain:
            return Screened(tuple(candidates))
        return screened(candidates, self._defaults.suspicious)

    async def _found(
        self, plan: QueryPlan, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> Searched:
        least = _WITH_PHRASES if plan.phrases else 0
        search = Search(
            collection=options.collection,
            filters=(*options.filters, *plan.filters),
            limit=max(self._defaults.candidates, self._limits(options).top_k, least),
            weights=self._defaults.weights,
        )
        rest = self._after_rerank(options)
        ahead = (RERANK, *rest) if self._rerank(options) else rest
        return await self._searching.found(plan, search, context, course, ahead)

    async def _widened(
        self, chosen: Selection, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> Selection:
        """The passages with what stands around them, within the tokens that they left; as they are without the time."""
        reach = self._reach(options)
        places = wanted(chosen.passages, reach)
        if not places or not course.fits(NEIGHBOURS, ()):
            return chosen
        try:
            around = await course.attempt(
                NEIGHBOURS,
                lambda: self._vectors.chunks(options.collection, context.tenant, places, groups=context.groups),
                (),
            )
        except TandemError:
            course.failed(NEIGHBOURS)
            return chosen
        if around is None:
            return chosen
        if self._defaults.suspicious == "drop":
            around = [chunk for chunk in around if not flags_of(chunk.text)]
        wide = widened(chosen.passages, around, reach, self._defaults.max_tokens - chosen.spent)
        return replace(chosen, passages=wide.passages, dropped=(*chosen.dropped, *wide.dropped))

    def _provenance(self, best: _Round, course: Course) -> Provenance:
        queries = tuple(query.text for query in best.plan.queries)
        embedder, sparse = self._searching.models
        return Provenance(queries, embedder, sparse, best.reranker, tuple(course.stages))

    def _trace(self, best: _Round, course: Course) -> Trace:
        first, *others = best.found.hits
        queries = best.plan.queries
        return Trace(
            queries=tuple(query.text for query in queries),
            dense=first.dense,
            sparse=first.sparse,
            fused=best.found.fused,
            reranked=best.candidates if best.reranker else (),
            dropped=best.chosen.dropped,
            timings_s=course.timings_s,
            reranker=best.reranker,
            threshold=self._defaults.threshold,
            plan=best.plan,
            others=tuple(
                Legs(query.text, hits.dense, hits.sparse) for query, hits in zip(queries[1:], others, strict=True)
            ),
        )

    def _rerank(self, options: RetrievalOptions) -> bool:
        return self._defaults.rerank if options.rerank is None else options.rerank

    def _reach(self, options: RetrievalOptions) -> Reach:
        return self._defaults.neighbours if options.neighbours is None else options.neighbours

    def _after_rerank(self, options: RetrievalOptions) -> tuple[Stage, ...]:
        return (SELECT, NEIGHBOURS) if self._reach(options) else (SELECT,)

    def _limits(self, options: RetrievalOptions) -> Limits:
        return Limits(
            top_k=options.top_k or self._defaults.top_k,
            max_tokens=self._defaults.max_tokens,
            threshold=self._defaults.threshold,
            diversity=self._defaults.diversity if options.diversity is None else options.diversity,
            flagged_last=self._defaults.suspicious == "demote",
        )
