"""A second look at what was found, as long as there is time for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.passage import Passage
from tandem.pipeline.course import Course
from tandem.ports.reranker import Reranker
from tandem.retrieval.plan import RERANK, Stage


@dataclass(frozen=True, slots=True)
class Reranked:
    """`by` names the reranker; None where the passages are as they came."""

    passages: Sequence[Passage]
    by: str | None = None


async def reranked(
    reranker: Reranker,
    question: str,
    passages: Sequence[Passage],
    context: RequestContext,
    course: Course,
    ahead: Sequence[Stage],
) -> Reranked:
    """In the reranker's order; as they came when it fails or has no time beside the stages `ahead`."""
    if not passages or not course.fits(RERANK, ahead):
        return Reranked(passages)
    # What may be left out after it makes no less of its time.
    rest = tuple(stage for stage in ahead if stage.skipped is None)
    try:
        scores = await course.attempt(RERANK, lambda: reranker.score(question, passages, context), rest)
    except TandemError:
        # The fused order is good already: better that than no answer.
        course.failed(RERANK)
        return Reranked(passages)
    if scores is None:
        return Reranked(passages)
    scored = [passage.scored(rerank=score) for passage, score in zip(passages, scores, strict=True)]
    scored.sort(key=lambda passage: (-(passage.scores.rerank or 0.0), passage.chunk.id))
    return Reranked(scored, reranker.name)
