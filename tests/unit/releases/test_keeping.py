import asyncio
import logging
from dataclasses import replace

import pytest

from fakes.records import answer_record
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.releases import ScriptedReleases
from tandem.adapters.scripted.versions import ScriptedVersions
from tandem.app.beside import beside
from tandem.domain.context import RequestContext
from tandem.domain.errors import PromotionRefused, TandemError, UpstreamUnavailable
from tandem.domain.question import Question
from tandem.domain.record import AnswerRecord
from tandem.domain.release import BASE, Book, Release, ReleasePolicy, Tallies, Tally
from tandem.pipeline.releases.choosing import Choosing
from tandem.pipeline.releases.desk import ReleaseDesk
from tandem.pipeline.releases.evidence import Evidence
from tandem.pipeline.releases.golden import GoldenAsking
from tandem.pipeline.releases.keeping import Keeping
from tandem.pipeline.whole import Answers
from tandem.ports.versions import Promotion

CONTEXT = RequestContext("r", user="page")
TRIED = Release("second", prompt="answer@2", weight=1.0, policy=ReleasePolicy(soak_s=0.0))
ALIKE: Tallies = {
    (arm, measure): Tally(2_000, 1_000.0, 500.0)
    for arm in ("control", "candidate")
    for measure in ("errors", "latency", "groundedness")
}
WORSE: Tallies = {**ALIKE, ("candidate", "groundedness"): Tally(2_000, 500.0, 125.0)}


def nobody(release: Release) -> Answers:
    raise AssertionError(release)


NOBODY = GoldenAsking(nobody, "docs")


class Gateway:
    """One of a fleet that shares a store."""

    def __init__(self, store: ScriptedReleases, versions: ScriptedVersions | None = None) -> None:
        self.evidence, self.clock = Evidence(), ScriptedClock()
        self.choosing = Choosing(lambda _: None, lambda *_: True, lambda *_: None)
        self.desk = ReleaseDesk(store, versions or ScriptedVersions(), self.clock, lambda name: name, ("gpu",), NOBODY)
        self.decisions: list[str] = []
        self.weights: list[float] = []
        self.keeping = Keeping(store, self.desk, self.choosing, self.evidence, self, lambda: CONTEXT)

    def trying(self, weight: float) -> None:
        self.weights.append(weight)

    def seen(self, book: Book) -> None:
        self.book = book

    def decided(self, decision: str) -> None:
        self.decisions.append(decision)

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            await self.keeping.look()
            await self.keeping.tend()

    def serves(self) -> str:
        return self.choosing.choose(Question("When?"), CONTEXT).release


def seen() -> AnswerRecord:
    record = answer_record(release="second")
    return replace(record, question=replace(record.question, conversation=()))


async def test_every_gateway_learns_of_it_within_a_round() -> None:
    store = ScriptedReleases()
    one, other = Gateway(store), Gateway(store)
    await other.rounds(1)
    assert other.serves() == BASE and other.weights == [0.0]
    await one.desk.create(TRIED, CONTEXT)
    await other.rounds(1)
    assert other.serves() == "second" and other.weights == [0.0, 1.0]


async def test_what_is_no_worse_is_promoted_by_one_gateway() -> None:
    store = ScriptedReleases()
    fleet = [Gateway(store) for _ in range(3)]
    await fleet[0].desk.create(TRIED, CONTEXT)
    await store.add("second", ALIKE)
    for gateway in fleet * 6:
        await gateway.rounds(1)
    assert [decision for gateway in fleet for decision in gateway.decisions] == ["promote"]
    assert (store.latest.serving or TRIED).by == "policy"


async def test_a_look_decides_nothing() -> None:
    store = ScriptedReleases()
    gateway = Gateway(store)
    await gateway.desk.create(TRIED, CONTEXT)
    await store.add("second", WORSE)
    await gateway.keeping.look()
    # A process that starts does so before it is ready.
    assert gateway.serves() == "second" and gateway.decisions == []


async def test_a_promotion_that_takes_its_time_keeps_nobody_from_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOOK_S", "_TEND_S"):
        monkeypatch.setattr(f"tandem.pipeline.releases.keeping.{name}", 0.0)
    store, goes = ScriptedReleases(), asyncio.Event()
    gateway = Gateway(store)
    await gateway.desk.create(TRIED, CONTEXT)

    async def waits(_name: str) -> Tallies:
        await goes.wait()
        return {}

    monkeypatch.setattr(store, "tallies", waits)
    async with beside([gateway.keeping.looking(), gateway.keeping.tending()]):
        for weight in (0.5, 0.25):
            await gateway.desk.split("second", weight, None, "ann")
            async with asyncio.timeout(5.0):
                while gateway.weights[-1:] != [weight]:
                    await asyncio.sleep(0)


async def test_what_is_worse_is_taken_back() -> None:
    store = ScriptedReleases()
    gateway = Gateway(store)
    await gateway.desk.create(TRIED, CONTEXT)
    await store.add("second", WORSE)
    await gateway.rounds(1)
    gone = store.latest.releases[0]
    assert gone.state == "rolled_back" and gone.reason.startswith("groundedness is worse by at least 0.2")
    assert gateway.decisions == ["roll_back"] and gateway.serves() == BASE


async def test_where_people_decide_nothing_happens_by_itself() -> None:
    store = ScriptedReleases()
    gateway = Gateway(store)
    await gateway.desk.create(replace(TRIED, policy=replace(TRIED.policy, automatic=False)), CONTEXT)
    await store.add("second", WORSE)
    await gateway.rounds(6)
    assert store.latest.releases[0].state == "trying" and gateway.decisions == []


async def test_what_was_measured_survives_a_store_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    store = ScriptedReleases()
    gateway = Gateway(store)
    await gateway.desk.create(TRIED, CONTEXT)
    await gateway.rounds(1)
    gateway.evidence(seen())
    store.fault = UpstreamUnavailable("The state store is away.")
    with caplog.at_level(logging.WARNING):
        await gateway.rounds(2)
        await gateway.keeping.last()
    # The releases known last serve meanwhile.
    assert gateway.serves() == "second" and "away" in caplog.text
    store.fault = None
    await gateway.rounds(1)
    assert (await store.tallies("second"))["candidate", "errors"] == Tally(1, 0.0, 0.0)


async def test_the_last_measures_are_brought_before_the_end() -> None:
    store = ScriptedReleases()
    gateway = Gateway(store)
    await gateway.desk.create(TRIED, CONTEXT)
    await gateway.rounds(1)
    gateway.evidence(seen())
    await gateway.keeping.last()
    assert ("candidate", "latency") in await store.tallies("second")


async def fresh(versions: ScriptedVersions) -> Release:
    await versions.begin("docs", CONTEXT)
    await versions.finish("docs@1", CONTEXT)
    await versions.promote("docs", Promotion("docs@1"), CONTEXT)
    await versions.begin("docs", CONTEXT, anew=True)
    await versions.finish("docs@2", CONTEXT)
    return replace(TRIED, collection="docs@2")


async def test_what_is_written_meanwhile_comes_over_every_minute() -> None:
    store, versions = ScriptedReleases(), ScriptedVersions()
    gateway = Gateway(store, versions)
    await gateway.desk.create(await fresh(versions), CONTEXT)
    before = len(versions.carries)
    await gateway.rounds(13)
    assert len(versions.carries) == before + 2 * 2


async def test_without_its_collection_it_is_taken_back() -> None:
    store, versions = ScriptedReleases(), ScriptedVersions()
    gateway = Gateway(store, versions)
    await gateway.desk.create(await fresh(versions), CONTEXT)
    await versions.drop("docs@2", CONTEXT)
    await gateway.rounds(1)
    assert store.latest.releases[0].state == "rolled_back"


@pytest.mark.parametrize("error", [PromotionRefused("docs@2 is held back."), UpstreamUnavailable("Away.")])
async def test_a_promotion_that_fails_leaves_it_as_it_was(error: TandemError) -> None:
    store, versions = ScriptedReleases(), ScriptedVersions()
    gateway = Gateway(store, versions)
    await gateway.desk.create(await fresh(versions), CONTEXT)
    await store.add("second", ALIKE)
    versions._failure = error
    asked = len(versions.wishes)
    await gateway.rounds(11)
    assert store.latest.releases[0].state == "trying" and gateway.decisions == []
    # A gate costs searches: what it held back it is not asked about every few seconds.
    assert len(versions.wishes) - asked == (1 if isinstance(error, PromotionRefused) else 11)
