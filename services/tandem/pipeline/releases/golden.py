"""Golden questions, asked of a candidate and of what serves: right answers cite a document that answers the question."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded, Preempted, TandemError
from tandem.domain.lineage import GoldenQuestion, base_of
from tandem.domain.question import Question, RetrievalOptions
from tandem.domain.release import BASE, GoldenResult, Release
from tandem.pipeline.releases.aside import aside
from tandem.pipeline.whole import Answers, whole

_TRIES = 5
_PAUSE_S = 1.0


class GoldenAsking:
    """`answers` makes the flow of a release alone; `collection` is asked where a release names none. Who waits goes first."""

    def __init__(self, answers: Callable[[Release], Answers], collection: str) -> None:
        self._answers = answers
        self._collection = collection

    async def compare(
        self, candidate: Release, serving: Release | None, questions: Sequence[GoldenQuestion], context: RequestContext
    ) -> GoldenResult:
        """Of these questions. One that fails has no right answer. Raises `Overloaded` when there is no room for them, and
        `DeadlineExceeded` when `context` leaves no time: neither says anything of an answer.
        """
        control = Release(BASE) if serving is None else replace(serving, collection=None)
        collection = self._collection if candidate.collection is None else base_of(candidate.collection)
        found = [
            [await self._right(release, each, collection, context) for release in (control, candidate)]
            for each in questions
        ]
        lost = tuple(each.question for each, (before, now) in zip(questions, found, strict=True) if before and not now)
        return GoldenResult(len(found), sum(before for before, _ in found), sum(now for _, now in found), lost)

    async def _right(self, release: Release, wanted: GoldenQuestion, collection: str, context: RequestContext) -> bool:
        question = Question(wanted.question, retrieval=RetrievalOptions(collection, cache=False))
        for left in reversed(range(_TRIES)):
            asked = aside(context, "golden", context.deadline_s)
            try:
                _, _, end = await whole(self._answers(release), question, asked)
            except DeadlineExceeded:
                raise
            except (Overloaded, Preempted):
                if not left:
                    raise
                await asyncio.sleep(_PAUSE_S)
            except TandemError:
                return False
            else:
                return any(each.passage.chunk.document_id in wanted.document_ids for each in end.citations)
        return False
