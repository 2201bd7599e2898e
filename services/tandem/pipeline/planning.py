"""What a question is searched with, decided before the search; without anything that understands it, as it was asked."""

from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.query import Query, QueryPlan
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
    """A `Planner` that changes nothing."""

    async def plan(
        self, question: str, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> QueryPlan:
        """The question alone; a wish for other words is refused in `degraded`, not passed over in silence."""
        del context
        if options.expand:
            course.note(NO_EXPANSION)
        return QueryPlan((Query(question),))
