"""The flow from question to answer, as releases change it."""

from dataclasses import replace

import pytest

from fakes.passages import passage
from fakes.pools import CLOCK, Server, dispatch, pool
from tandem.adapters.scripted.monitor import ScriptedMonitor
from tandem.adapters.scripted.retriever import ScriptedRetriever
from tandem.app.templates import template_sources
from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError, UpstreamFailed
from tandem.domain.question import Question
from tandem.domain.record import AnswerRecord
from tandem.domain.release import BASE, Book, Release
from tandem.domain.tenants import Tenant, Tenants
from tandem.generation.pools import PoolPolicy
from tandem.pipeline.answering import Answering
from tandem.pipeline.releases.choosing import Choosing
from tandem.pipeline.whole import whole
from tandem.prompting.templates import Templates

TRIED = Release("second", prompt="answer@2", collection="docs@3", pools=("next",), weight=1.0)
ACME = RequestContext("r", "acme", user="page")


class Flow:
    """Two pools, the second for who names it; the tenant `north` may be answered in the region of the first alone."""

    def __init__(self, *releases: Release, error: TandemError | None = None) -> None:
        self.now, self.next = Server(model="now"), Server(model="next")
        pools = (
            pool("now", self.now, policy=PoolPolicy("now", region="eu")),
            pool("next", self.next, policy=PoolPolicy("next", region="us", answers=False)),
        )
        tenants = Tenants({"north": Tenant("north", regions=frozenset({"eu"}))})
        to = dispatch(*pools, tenants=tenants, collections={"people": frozenset({"eu"})})
        self.retriever, self.monitor = (
            ScriptedRetriever([passage("It opens at seven.")], error=error),
            ScriptedMonitor(),
        )
        self.shadowed: list[str] = []
        choosing = Choosing(
            lambda _: None, to.allows, lambda release, _question, _context: self.shadowed.append(release.name)
        )
        choosing.see(Book(1, releases))
        sources = template_sources(None)
        templates = Templates({**sources, "answer@2": sources["answer@1"]})
        self.answering = Answering(self.retriever, to, templates, CLOCK, monitor=self.monitor, releases=choosing)

    async def asked(self, context: RequestContext = ACME, **more: str) -> AnswerRecord:
        question = replace(Question("When does it open?"), **more)  # type: ignore[arg-type]
        await whole(self.answering, question, context)
        return self.monitor.records[-1]


async def test_the_receipt_names_the_release_and_what_it_is_made_of() -> None:
    flow = Flow(TRIED)
    record = await flow.asked()
    assert record.release == "second" and record.prompt and record.prompt.template == "answer@2"
    assert record.model and (record.model.id, record.model.pool) == ("next", "next")
    assert flow.retriever.asked[0][1].collection == "docs@3"
    # What the client asked for stays what it asked for.
    assert record.retrieval.asked == "docs"


async def test_without_one_the_configuration_is_named() -> None:
    record = await Flow().asked()
    assert record.release == BASE and record.model and record.model.pool == "now"


async def test_residency_keeps_a_tenant_from_being_tried_on() -> None:
    flow = Flow(TRIED)
    record = await flow.asked(RequestContext("r", "north", user="page"))
    assert record.release == BASE and record.model and record.model.pool == "now"
    assert flow.next.asked == 0


async def test_who_names_a_prompt_has_it() -> None:
    flow = Flow(TRIED)
    record = await flow.asked(prompt="answer@1")
    assert record.release == "" and record.prompt and record.prompt.template == "answer@1"
    assert flow.next.asked == 0


async def test_a_shadow_comes_after_the_answer() -> None:
    flow = Flow(replace(TRIED, mode="shadow"))
    assert (await flow.asked()).release == BASE
    assert flow.shadowed == ["second"] and flow.next.asked == 0


async def test_what_was_not_answered_has_no_shadow() -> None:
    flow = Flow(replace(TRIED, mode="shadow"), error=UpstreamFailed("Broken."))
    with pytest.raises(UpstreamFailed):
        await flow.asked()
    assert flow.shadowed == []
