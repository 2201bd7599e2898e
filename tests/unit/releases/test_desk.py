import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from fakes.passages import passage
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.generator import CARD
from tandem.adapters.scripted.releases import ScriptedReleases
from tandem.adapters.scripted.versions import ScriptedVersions
from tandem.domain.answer import Answered, AnswerEvent, Citation, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    InvalidRequest,
    PromotionRefused,
    ReleaseConflict,
    UnknownCollection,
    UnknownPrompt,
    UnknownRelease,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import Usage
from tandem.domain.lineage import GoldenQuestion
from tandem.domain.passage import Retrieval
from tandem.domain.question import Question
from tandem.domain.release import BASE, Book, GoldenResult, Release, ReleasePolicy, Tally
from tandem.pipeline.releases.desk import ReleaseDesk
from tandem.pipeline.releases.golden import GoldenAsking
from tandem.ports.versions import Promotion

CONTEXT = RequestContext("r")
NOW = ReleasePolicy(soak_s=0.0)
SECOND = Release("second", prompt="answer@2", policy=NOW)


def known(name: str) -> str:
    if name not in ("answer@1", "answer@2"):
        raise UnknownPrompt(f"There is no prompt {name!r}.")
    return name


class Harbour:
    """Answers as a release of that name does: `second` knows nothing of berths."""

    def __init__(self, release: Release) -> None:
        self.release = release.name

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        assert context.mode == "async"
        if question.text == "broken":
            raise UpstreamFailed("Broken.")
        yield self._told(question)

    async def _told(self, question: Question) -> AsyncIterator[AnswerEvent]:
        about = passage("Fourteen crowns.", document=question.text)
        knows = self.release != "second" or question.text != "berth"
        yield Found(Retrieval((about,), 1.0), question.text, CARD, "answer@1")
        yield Answered("answered", "stop", Usage(1, 1), (Citation(1, about, 0, 8),) if knows else ())


ASKING = GoldenAsking(Harbour, "docs")


class Office:
    """A desk, and what is behind it."""

    def __init__(self, failure: UpstreamUnavailable | None = None) -> None:
        self.store, self.clock = ScriptedReleases(), ScriptedClock()
        self.versions = ScriptedVersions(failure)
        self.desk = ReleaseDesk(self.store, self.versions, self.clock, known, ("gpu", "cloud"), ASKING)

    async def built(self, *, finished: bool = True) -> str:
        """A version of docs beside the one that serves."""
        await self.versions.begin("docs", CONTEXT)
        await self.versions.finish("docs@1", CONTEXT)
        await self.versions.promote("docs", Promotion("docs@1"), CONTEXT)
        await self.versions.begin("docs", CONTEXT, anew=True)
        if finished:
            await self.versions.finish("docs@2", CONTEXT)
        self.versions.wishes.clear()
        return "docs@2"

    async def proven(self, name: str) -> None:
        """It is as good on all that is measured."""
        measures = ("errors", "latency", "groundedness")
        alike = {
            (arm, measure): Tally(2_000, 1_000.0, 500.0) for arm in ("control", "candidate") for measure in measures
        }
        await self.store.add(name, alike)  # type: ignore[arg-type]

    async def serving(self, name: str) -> str | None:
        versions = await self.versions.versions(name, CONTEXT)
        return next((each.name for each in versions if each.state == "serving"), None)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_what_is_not_there_cannot_be_released(office: Office) -> None:
    await office.built(finished=False)
    for wanted, error in (
        (Release("r"), InvalidRequest),
        (Release("r", prompt="answer@9"), UnknownPrompt),
        (Release("r", pools=("gpu", "moon")), InvalidRequest),
        (Release("r", collection="docs"), InvalidRequest),
        (Release("r", collection="docs@7"), UnknownCollection),
        (Release("r", collection="other@1"), UnknownCollection),
        (Release("r", collection="docs@1"), InvalidRequest),
        (Release("r", collection="docs@2"), InvalidRequest),
        (Release(BASE, prompt="answer@2"), ReleaseConflict),
    ):
        with pytest.raises(error):
            await office.desk.create(wanted, CONTEXT)
    assert office.store.latest == Book()


async def test_one_is_tried_at_a_time_and_no_name_comes_twice(office: Office) -> None:
    created = await office.desk.create(SECOND, CONTEXT)
    assert (created.state, created.replaced) == ("trying", BASE)
    with pytest.raises(ReleaseConflict, match="second is being tried"):
        await office.desk.create(Release("third", prompt="answer@1"), CONTEXT)
    await office.desk.rollback("second", "ann", "no", CONTEXT)
    with pytest.raises(ReleaseConflict, match="second already"):
        await office.desk.create(SECOND, CONTEXT)
    await office.desk.create(Release("third", prompt="answer@1"), CONTEXT)


async def test_nothing_is_promoted_without_its_gate(office: Office) -> None:
    await office.desk.create(SECOND, CONTEXT)
    with pytest.raises(PromotionRefused, match="0 of 100 conversations"):
        await office.desk.promote("second", "ann", CONTEXT)
    assert office.store.latest.releases[0].state == "trying"
    forced = await office.desk.promote("second", "ann", CONTEXT, force="the fair is on")
    assert (forced.state, forced.reason, forced.by) == ("serving", "the fair is on", "ann")


async def test_the_way_there_and_back(office: Office) -> None:
    await office.desk.create(SECOND, CONTEXT)
    await office.proven("second")
    assert (await office.desk.promote("second", "ann", CONTEXT)).replaced == BASE
    third = Release("third", pools=("cloud",), policy=NOW)
    assert (await office.desk.create(third, CONTEXT)).replaced == "second"
    await office.proven("third")
    await office.desk.promote("third", "ann", CONTEXT)
    states = {each.name: each.state for each in office.store.latest.releases}
    assert states == {"second": "retired", "third": "serving"}
    gone = await office.desk.rollback("third", "bob", "dear", CONTEXT)
    assert (gone.state, gone.reason, gone.by) == ("rolled_back", "dear", "bob")
    assert (office.store.latest.serving or SECOND).name == "second"
    await office.desk.rollback("second", "bob", "worse", CONTEXT)
    assert office.store.latest.serving is None
    with pytest.raises(ReleaseConflict):
        await office.desk.rollback("second", "bob", "again", CONTEXT)


async def test_a_collection_goes_with_its_release(office: Office) -> None:
    version = await office.built()
    await office.desk.create(Release("fresh", collection=version, policy=NOW), CONTEXT)
    assert [after for _, _, after in office.versions.carries] == [None, "default\nfirst ü"]
    await office.proven("fresh")
    await office.desk.promote("fresh", "ann", CONTEXT)
    assert await office.serving("docs") == "docs@2"
    await office.desk.rollback("fresh", "ann", "no", CONTEXT)
    assert await office.serving("docs") == "docs@1"


async def test_what_its_collections_gate_holds_back_is_tried_on() -> None:
    office = Office(UpstreamUnavailable("The store is away."))
    office.versions = versions = ScriptedVersions()
    await office.built()
    versions._failure = PromotionRefused("docs@2 is held back: recall is low.")
    office.desk = ReleaseDesk(office.store, versions, office.clock, known, (), ASKING)
    await office.desk.create(Release("fresh", collection="docs@2", policy=NOW), CONTEXT)
    await office.proven("fresh")
    with pytest.raises(PromotionRefused, match="recall is low"):
        await office.desk.promote("fresh", "ann", CONTEXT)
    held = office.store.latest.releases[0]
    assert held.state == "trying" and "recall is low" in held.reason


async def test_of_two_who_promote_one_is_told(office: Office) -> None:
    await office.desk.create(SECOND, CONTEXT)
    await office.proven("second")
    claimed = replace(office.store.latest.releases[0], state="promoting", by="bob", changed_at=office.clock.epoch_s())
    await office.store.write(office.store.latest.put(claimed))
    for change in (office.desk.promote("second", "ann", CONTEXT), office.desk.rollback("second", "ann", "no", CONTEXT)):
        with pytest.raises(ReleaseConflict, match="just being promoted by bob"):
            await change
    # Whoever it was has died.
    office.clock.advance(1_000.0)
    assert (await office.desk.promote("second", "ann", CONTEXT)).state == "serving"


async def slowly(office: Office) -> tuple[asyncio.Event, asyncio.Event]:
    """A collection's release whose version is let serve only when the second event is set; the first tells that it waits."""
    await office.desk.create(Release("fresh", collection=await office.built(), policy=NOW), CONTEXT)
    promote, waits, goes = office.versions.promote, asyncio.Event(), asyncio.Event()

    async def late(*told: Any) -> Any:
        waits.set()
        await goes.wait()
        return await promote(*told)

    office.versions.promote = late  # type: ignore[assignment, method-assign]
    return waits, goes


async def test_a_promotion_is_not_broken_off_in_the_middle(office: Office) -> None:
    waits, goes = await slowly(office)
    promoting = asyncio.create_task(office.desk.promote("fresh", "ann", CONTEXT, force="now"))
    await waits.wait()
    promoting.cancel()
    await asyncio.sleep(0)
    goes.set()
    with pytest.raises(asyncio.CancelledError):
        await promoting
    assert office.store.latest.releases[0].state == "serving"


async def test_who_is_taken_for_dead_does_not_bring_back_what_was_taken_back(office: Office) -> None:
    waits, goes = await slowly(office)
    promoting = asyncio.create_task(office.desk.promote("fresh", "ann", CONTEXT, force="now"))
    await waits.wait()
    office.clock.advance(1_000.0)
    await office.desk.rollback("fresh", "bob", "dead", CONTEXT)
    goes.set()
    with pytest.raises(ReleaseConflict, match="has become rolled_back"):
        await promoting
    assert office.store.latest.releases[0].state == "rolled_back"
    assert await office.serving("docs") == "docs@1"


async def test_a_rollback_that_is_refused_takes_nothing_back(office: Office) -> None:
    version = await office.built()
    await office.desk.create(Release("fresh", collection=version, policy=NOW), CONTEXT)
    await office.desk.promote("fresh", "ann", CONTEXT, force="now")
    tried = replace(SECOND, state="promoting", by="bob", changed_at=office.clock.epoch_s())
    await office.store.write(office.store.latest.put(tried))
    with pytest.raises(ReleaseConflict, match="just being promoted by bob"):
        await office.desk.rollback("fresh", "ann", "no", CONTEXT)
    assert await office.serving("docs") == version


async def test_a_change_in_between_is_not_lost(office: Office) -> None:
    await office.desk.create(SECOND, CONTEXT)
    write = office.store.write
    intruders = [0.3]

    async def late(book: Book) -> bool:
        if intruders:
            latest = office.store.latest
            await write(latest.put(replace(latest.releases[0], weight=intruders.pop())))
        return await write(book)

    office.store.write = late  # type: ignore[method-assign]
    split = await office.desk.split("second", None, "shadow", "ann")
    assert (split.weight, split.mode) == (0.3, "shadow")


async def test_an_unknown_release_is_told(office: Office) -> None:
    for change in (
        office.desk.promote("nope", "ann", CONTEXT),
        office.desk.rollback("nope", "ann", "", CONTEXT),
        office.desk.split("nope", 0.5, None, "ann"),
        office.desk.watched("nope"),
    ):
        with pytest.raises(UnknownRelease, match="nope"):
            await change


async def test_of_what_is_over_only_so_much_is_remembered(office: Office) -> None:
    for number in range(110):
        await office.desk.create(replace(SECOND, name=f"r{number}"), CONTEXT)
        await office.desk.rollback(f"r{number}", "ann", "no", CONTEXT)
    names = [each.name for each in office.store.latest.releases]
    assert len(names) == 100 and names[-1] == "r109"


async def test_what_is_held_against_one_that_is_taken_back_goes_with_it(office: Office) -> None:
    await office.desk.create(SECOND, CONTEXT)
    await office.desk.promote("second", "ann", CONTEXT, force="now")
    await office.desk.create(Release("third", prompt="answer@1"), CONTEXT)
    await office.desk.rollback("second", "ann", "worse", CONTEXT)
    assert {each.name: (each.state, each.reason) for each in office.store.latest.releases} == {
        "second": ("rolled_back", "worse"),
        "third": ("rolled_back", "second was rolled back"),
    }


async def test_who_is_never_first_is_told(office: Office) -> None:
    async def never(book: Book) -> bool:
        return book is None

    office.store.write = never  # type: ignore[method-assign]
    with pytest.raises(ReleaseConflict, match="all the time"):
        await office.desk.create(SECOND, CONTEXT)


def golden(*documents: str) -> list[GoldenQuestion]:
    return [GoldenQuestion(name, (name,)) for name in documents]


async def test_golden_questions_are_asked_of_both_sides_and_counted(office: Office) -> None:
    await office.desk.create(replace(SECOND, policy=replace(NOW, golden=True)), CONTEXT)
    await office.proven("second")
    with pytest.raises(PromotionRefused, match="golden questions have not been asked"):
        await office.desk.promote("second", "ann", CONTEXT)
    some = await office.desk.asked("second", golden("fog", "broken"), CONTEXT, anew=True, complete=False)
    assert some.golden == GoldenResult(2, 1, 1)
    with pytest.raises(PromotionRefused, match="have not been asked"):
        await office.desk.promote("second", "ann", CONTEXT)
    every = await office.desk.asked("second", golden("berth"), CONTEXT, anew=False, complete=True)
    assert every.golden == GoldenResult(3, 2, 1, ("berth",), complete=True)
    verdict = (await office.desk.watched("second")).verdict
    assert verdict is not None and verdict.decision == "roll_back"
    assert verdict.reasons == ("1 of 3 golden questions are answered, 2 by what serves",)
    again = await office.desk.asked("second", golden("fog"), CONTEXT, anew=True, complete=True)
    assert again.golden == GoldenResult(1, 1, 1, complete=True)
    assert (await office.desk.promote("second", "ann", CONTEXT)).state == "serving"


async def test_a_rollback_is_not_broken_off_in_the_middle(office: Office) -> None:
    await office.desk.create(Release("fresh", collection=await office.built(), policy=NOW), CONTEXT)
    await office.desk.promote("fresh", "ann", CONTEXT, force="now")
    rollback, waits, goes = office.versions.rollback, asyncio.Event(), asyncio.Event()

    async def late(*told: Any, **said: Any) -> Any:
        waits.set()
        await goes.wait()
        return await rollback(*told, **said)

    office.versions.rollback = late  # type: ignore[method-assign]
    going = asyncio.create_task(office.desk.rollback("fresh", "ann", "worse", CONTEXT))
    await waits.wait()
    going.cancel()
    await asyncio.sleep(0)
    goes.set()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert office.store.latest.releases[0].state == "rolled_back"
    assert await office.serving("docs") == "docs@1"


async def test_two_who_roll_back_at_once_go_back_one_version(office: Office) -> None:
    """Each at a gateway of its own: both have seen it serve before either has taken it back."""
    await office.built()
    for name in ("docs@2", "docs@3"):
        await office.versions.begin("docs", CONTEXT)
        await office.versions.finish(name, CONTEXT)
        await office.desk.create(Release(f"r{name[-1]}", collection=name, policy=NOW), CONTEXT)
        await office.desk.promote(f"r{name[-1]}", "ann", CONTEXT, force="now")
    rollback, both = office.versions.rollback, asyncio.Barrier(2)

    async def together(*told: Any, **said: Any) -> Any:
        await both.wait()
        return await rollback(*told, **said)

    office.versions.rollback = together  # type: ignore[method-assign]
    ends = await asyncio.gather(
        *(office.desk.rollback("r3", who, "worse", CONTEXT) for who in ("ann", "bob")), return_exceptions=True
    )
    assert await office.serving("docs") == "docs@2"
    assert sorted(type(end).__name__ for end in ends) == ["Release", "ReleaseConflict"]
    assert {each.name: each.state for each in office.store.latest.releases} == {"r2": "serving", "r3": "rolled_back"}


async def test_what_is_over_is_not_rolled_back_again(office: Office) -> None:
    await office.desk.create(SECOND, CONTEXT)
    await office.desk.rollback("second", "ann", "worse", CONTEXT)
    with pytest.raises(ReleaseConflict, match="rolled_back already"):
        await office.desk.rollback("second", "bob", "again", CONTEXT)
