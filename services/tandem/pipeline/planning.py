"""What a question is searched with, decided before the search; without anything that understands it, as it was asked."""

from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.query import Query, QueryPlan, Wording
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.course import Course
from tandem.retrieval.plan import NO_EXPANSION


class Planner(Protocol):
    """From a standalone question to the queries that find its answer."""

    async def plan(
        self, question: str, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> QueryPlan:
        """What does not fit into the time left is left out, and noted in `course.degraded`."""
        ...


class AsAsked:
    """A `Planner` that adds nothing to what a model made of the question before."""

    async def plan(
        self, question: str, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> QueryPlan:
        """The question and the model's other words for it. Its filters are left out: nobody here could check them."""
        del context
        wording = worded(options, course)
        return QueryPlan((Query(question), *wording.queries), told=wording.told, asked=question)


def worded(options: RetrievalOptions, course: Course) -> Wording:
    """What a model made of the question; `course` learns how long that took and what is missing.

    A wish for other words that nobody heard is refused in `degraded`, not passed over in silence.
    """
    wording = options.wording or Wording()
    course.timings_s.update(wording.timings_s)
    for word in wording.degraded:
        course.note(word)
    if options.expand and options.wording is None:
        course.note(NO_EXPANSION)
    return wording
