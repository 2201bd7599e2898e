"""What a question says beside what it asks: conditions and phrases, read by rule or by a model, checked where the store is."""

from dataclasses import replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.query import Query, QueryPlan, Wording
from tandem.domain.question import RetrievalOptions
from tandem.domain.text import says_something
from tandem.domain.viewer import Viewer
from tandem.pipeline.catalogue import Catalogue
from tandem.pipeline.course import Course
from tandem.pipeline.inferring import Inferring
from tandem.pipeline.planning import worded
from tandem.ports.clock import Clock
from tandem.retrieval.plan import EMBED, SEARCH, SELECT, UNDERSTAND
from tandem.retrieval.reading.authors import authors
from tandem.retrieval.reading.dates import authored_dates, dates
from tandem.retrieval.reading.file_types import file_types
from tandem.retrieval.reading.hint import Span, blanked, overlaps, without
from tandem.retrieval.reading.phrases import phrases
from tandem.retrieval.reading.places import places
from tandem.retrieval.reading.tags import tags

# A longer text is hardly a question, and the rules would take their time over it.
_LONGEST = 2000


class Understanding:
    """`pipeline/planning.py` by rules that need no model, and by what a model proposed before.

    Nothing is taken for a condition that no document of the collection meets. Without `rules` questions are searched for
    as they are, unless the request says otherwise.
    """

    def __init__(self, catalogue: Catalogue, clock: Clock, *, rules: bool = True) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._rules = rules

    async def plan(
        self, question: str, options: RetrievalOptions, context: RequestContext, course: Course
    ) -> QueryPlan:
        """See the port. When the collection cannot be asked in time the question is searched for as it is."""
        wording = worded(options, course)
        plan = QueryPlan((Query(question), *wording.queries), told=wording.told, asked=question)
        if not (self._rules if options.self_query is None else options.self_query):
            return plan
        if len(question) > _LONGEST:
            return replace(plan, told=(*plan.told, f"rules: not read, longer than {_LONGEST} characters"))
        try:
            found = await course.attempt(
                UNDERSTAND, lambda: self._understood(plan, wording, options, context), (EMBED, SEARCH, SELECT)
            )
        except TandemError:
            # What is wrong with the store or the collection is told by the search.
            course.failed(UNDERSTAND)
            return plan
        return found or plan

    async def _understood(
        self, plan: QueryPlan, wording: Wording, options: RetrievalOptions, context: RequestContext
    ) -> QueryPlan:
        shelf = self._catalogue.seen(options.collection, Viewer(context.tenant, context.groups))
        inferring = Inferring(plan.asked, options.filters, shelf)
        quoted = phrases(plan.asked)
        await self._read(inferring, [span for span, _ in quoted])
        await inferring.propose(wording.filters)
        # What was quoted to name a tag, say, is no phrase.
        kept = tuple(phrase for span, phrase in quoted if not overlaps(span, inferring.spans))
        text = without(plan.asked, inferring.spans) if inferring.spans else plan.asked
        # When nothing is left that says what is asked for, the conditions alone would find anything.
        meant = text if says_something(text) else plan.asked
        told = (*plan.told, *inferring.told, *(f'phrase: "{phrase}"' for phrase in kept))
        return QueryPlan((Query(meant), *plan.queries[1:]), tuple(inferring.filters), kept, told, plan.asked)

    async def _read(self, inferring: Inferring, quoted: list[Span]) -> None:
        """The rules, each over what those before it left. A phrase is to be found, whatever it says."""
        await inferring.take(tags(inferring.left))
        await inferring.take(places(inferring.left))
        await inferring.take(authors(blanked(inferring.left, quoted)))
        now_s = self._clock.epoch_s()
        await inferring.take(dates(blanked(inferring.left, quoted), now_s))
        if inferring.has("author") and not (inferring.has("created_at") or inferring.has("modified_at")):
            # `What did Jane Doe write in 2024`: the verb went with the name.
            await inferring.take(authored_dates(blanked(inferring.asked, quoted), now_s))
        await inferring.take(file_types(blanked(inferring.left, quoted)))
