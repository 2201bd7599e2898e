"""Conditions out of questions, as far as a collection confirms them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fakes.known_collection import KnownCollection
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.context import RequestContext
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.filters import Condition, Filter
from tandem.domain.query import Query, QueryPlan, Wording
from tandem.domain.question import RetrievalOptions
from tandem.domain.viewer import Viewer
from tandem.pipeline.catalogue import Catalogue
from tandem.pipeline.course import Course
from tandem.pipeline.understanding import Understanding
from tandem.retrieval.pace import Pace

OPTIONS = RetrievalOptions("docs@1")
CONTEXT = RequestContext("r", "acme", groups=("crew",))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
JANE = Condition("author", ("Jane Doe",))
REWORDED = Query("How much is it?", "expansion", 0.5)


class Bench:
    def __init__(self, known: KnownCollection | None = None, *, rules: bool = True) -> None:
        self.clock = ScriptedClock(epoch_s=NOW)
        self.known = known or KnownCollection({"author": ("Jane Doe",), "tags": ("fees",), "language": ("de",)})
        self.understanding = Understanding(Catalogue(self.known, self.clock), self.clock, rules=rules)
        self.course = Course(Pace(), self.clock, None)

    async def plan(self, question: str, options: RetrievalOptions = OPTIONS) -> QueryPlan:
        return await self.understanding.plan(question, options, CONTEXT, self.course)


async def test_a_condition_takes_its_words_out_of_the_question_and_can_be_taken_back() -> None:
    plan = await Bench().plan('What did Jane Doe write about the "old pier"?')
    assert plan.question == 'What about the "old pier"?'
    assert (plan.filters, plan.phrases) == ((JANE,), ("old pier",))
    assert plan.told == ("author: 'did Jane Doe write': author = Jane Doe", 'phrase: "old pier"')
    assert plan.inferred
    whole = plan.relaxed()
    assert whole.question == plan.asked == 'What did Jane Doe write about the "old pier"?'
    assert (whole.filters, whole.phrases, whole.inferred) == ((), (), False)


async def test_what_nobody_wrote_is_told_and_searched_for_as_it_is() -> None:
    plan = await Bench().plan("Which documents from 1995 mention fees?")
    assert plan.filters == ()
    assert plan.question == "Which documents from 1995 mention fees?"
    assert plan.told == ("date: 'from 1995': left out, no document meets it",)


async def test_the_day_of_writing_counts_where_it_is_known_else_that_of_the_last_change() -> None:
    question = "Which documents from 2024 mention fees?"
    assert [each.field for each in (await Bench().plan(question)).filters] == ["created_at"]
    undated = KnownCollection({}, undated=frozenset({"created_at"}))
    assert [each.field for each in (await Bench(undated).plan(question)).filters] == ["modified_at"]


async def test_the_requests_own_conditions_come_first() -> None:
    options = replace(OPTIONS, filters=(Condition("author", ("Mary Smith",)),))
    plan = await Bench().plan("notes by Jane Doe about fees", options)
    assert plan.filters == ()


async def test_a_question_of_conditions_alone_keeps_its_words() -> None:
    plan = await Bench().plan("What was it, by Jane Doe?")
    assert plan.filters == (JANE,)
    assert plan.question == "What was it, by Jane Doe?"


async def test_a_quoted_tag_is_no_phrase_and_two_tags_hold_together() -> None:
    known = KnownCollection({"tags": ("old pier", "fees")})
    plan = await Bench(known).plan('What is tagged "old pier" about ice #fees')
    assert plan.phrases == ()
    assert plan.filters == (Condition("tags", ("old pier",)), Condition("tags", ("fees",)))


@pytest.mark.parametrize(("rules", "wish", "reads"), [(True, None, True), (True, False, False), (False, None, False), (False, True, True)])  # fmt: skip
async def test_a_request_may_have_it_or_not(rules: bool, wish: bool | None, reads: bool) -> None:
    bench = Bench(rules=rules)
    plan = await bench.plan("notes by Jane Doe about fees", replace(OPTIONS, self_query=wish))
    assert plan.inferred is reads
    assert bool(bench.known.asked) is reads


async def test_only_what_the_viewer_may_see_is_known() -> None:
    bench = Bench()
    await bench.plan("notes by Jane Doe about fees")
    assert {viewer for _, viewer in bench.known.asked} == {Viewer("acme", ("crew",))}


async def test_names_are_kept_for_half_a_minute_and_for_each_viewer() -> None:
    bench = Bench()

    async def looked_up(context: RequestContext = CONTEXT) -> int:
        bench.known.asked.clear()
        await bench.understanding.plan("notes by Jane Doe about fees", OPTIONS, context, bench.course)
        return [field for field, _ in bench.known.asked].count("author")

    assert [await looked_up(), await looked_up()] == [1, 0]
    assert await looked_up(replace(CONTEXT, groups=())) == 1
    assert await looked_up(replace(CONTEXT, tenant="rival")) == 1
    bench.clock.advance(31)
    assert await looked_up() == 1


@pytest.mark.parametrize(
    ("proposal", "taken", "told"),
    [
        (Condition("author", ("jane doe",)), (JANE,), "model: author = Jane Doe"),
        (Condition("language", ("de",)), (Condition("language", ("de",)),), "model: language = de"),
        (Condition("author", ("Mary",)), (), "model: author = Mary: left out, the collection has no such value"),
        (Condition("path", ("docs/",)), (), "model: path = docs/: left out, no document meets it"),
    ],
)
async def test_what_a_model_proposes_has_to_be_known(proposal: Condition, taken: Filter, told: str) -> None:
    wording = Wording((REWORDED,), (proposal,), ("expand: 1",), ("expand_failed",), {"expand": 0.5})
    bench = Bench()
    plan = await bench.plan("What are the fees?", replace(OPTIONS, wording=wording, expand=True))
    assert plan.filters == taken
    assert plan.queries == (Query("What are the fees?"), REWORDED)
    assert plan.told == ("expand: 1", told)
    assert bench.course.degraded == ["expand_failed"]
    assert bench.course.timings_s.keys() == {"expand", "understand"}


async def test_a_rule_is_believed_before_a_model() -> None:
    wording = Wording(filters=(Condition("author", ("jane doe",)),))
    plan = await Bench().plan("notes by Jane Doe about fees", replace(OPTIONS, wording=wording))
    assert plan.filters == (JANE,)
    assert "the field has a condition already" in plan.told[-1]


async def test_of_two_authors_and_of_two_folders_the_first_is_meant() -> None:
    known = KnownCollection({"author": ("Jane Doe", "John Smith"), "path": ("a/x.md", "b/y.md")})
    options = replace(OPTIONS, filters=(Condition("path", ("b/",)),))
    plan = await Bench(known).plan("notes by Jane Doe, or articles by John Smith, in a/ about fees", options)
    assert plan.filters == (JANE,)


async def test_an_author_of_no_document_of_that_day_is_told() -> None:
    known = KnownCollection({"author": ("Jane Doe",), "tags": ("fees",)})
    options = replace(OPTIONS, filters=(Condition("created_at", at_most=1.0),))
    plan = await Bench(known).plan("notes by Jane Doe about fees", options)
    assert plan.told == ("author: 'by Jane Doe': left out, no document meets it",)


@pytest.mark.parametrize("question", ["documents older than the pier about fees", "documents from the pier about fees"])
async def test_what_is_no_time_is_no_condition(question: str) -> None:
    assert not (await Bench().plan(question)).inferred


async def test_a_store_that_cannot_tell_leaves_the_question_as_it_is() -> None:
    class Away(KnownCollection):
        async def holds(self, collection: str, viewer: Viewer, filters: Filter) -> bool:
            raise UpstreamUnavailable("away")

    bench = Bench(Away({}))
    plan = await bench.plan("Which documents from 2024 mention fees?")
    assert plan == QueryPlan((Query("Which documents from 2024 mention fees?"),), asked=plan.question)
    assert bench.course.degraded == ["self_query_failed"]


async def test_a_store_that_takes_too_long_is_not_waited_for() -> None:
    class Slow(KnownCollection):
        async def holds(self, collection: str, viewer: Viewer, filters: Filter) -> bool:
            await asyncio.Event().wait()
            return True

    bench = Bench(Slow({}))
    bench.course = Course(Pace(), bench.clock, bench.clock.monotonic_s() + 0.1)
    plan = await bench.plan("Which documents from 2024 mention fees?")
    assert not plan.inferred
    assert bench.course.degraded == ["self_query_failed"]


async def test_a_long_text_is_no_question_that_names_documents() -> None:
    plan = await Bench().plan("notes by Jane Doe " * 200)
    assert not plan.inferred
    assert plan.told == ("rules: not read, longer than 2000 characters",)


async def test_other_words_that_nobody_can_find_are_missed() -> None:
    bench = Bench()
    await bench.plan("What are the fees?", replace(OPTIONS, expand=True))
    assert bench.course.degraded == ["expand_unavailable"]
