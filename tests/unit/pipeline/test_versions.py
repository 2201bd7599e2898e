"""From one version to the next, over doubles: what is taken over, what the gate says, what is kept."""

from dataclasses import replace

import pytest

from fakes.versions import Archive, Opener, Shelf, opened
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.domain.context import RequestContext
from tandem.domain.document import DocumentRecord, RawDocument, Recipe
from tandem.domain.errors import InvalidRequest, PromotionRefused, UnknownCollection, VersionConflict
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.lineage import GoldenQuestion, Lineage, Place, Version, is_version, told
from tandem.domain.question import RetrievalOptions
from tandem.domain.syncing import StreamPosition
from tandem.pipeline.ingesting import Ingesting
from tandem.pipeline.versions.gating import GatePolicy
from tandem.pipeline.versions.promoting import Policy, outlived
from tandem.pipeline.versions.rebuilding import Rebuilt, rebuild
from tandem.ports.vectors import SearchHits, VectorQuery
from tandem.ports.versions import Promotion

ME = RequestContext("r", groups=(EVERY_GROUP,))
THEM = RequestContext("r", tenant="other", groups=(EVERY_GROUP,))
LONG = "".join(
    f"## Part {part}\n\nThe harbour of part {part} opens at {part} for ships, ferries and boats.\n\n"
    for part in range(6)
)


@pytest.fixture
def clock() -> ScriptedClock:
    return ScriptedClock()


@pytest.fixture
def archive(clock: ScriptedClock) -> Archive:
    return Archive(MemoryVectors(), clock)


async def put(
    archive: Archive, id_: str, text: str, context: RequestContext = ME, *, into: str = "docs", **more: object
) -> None:
    raw = RawDocument(id_, text.encode(), f"/elsewhere/{id_}", **more)  # type: ignore[arg-type]
    await archive.ingesting.put(into, raw, context)


async def built(archive: Archive, *shelves: Shelf, **more: object) -> Rebuilt:
    return await rebuild(archive.ingesting, "docs", ME, open_places=opened(*shelves), **more)  # type: ignore[arg-type]


async def held(archive: Archive, name: str, context: RequestContext = ME) -> dict[str, DocumentRecord]:
    page = await archive.ingesting.documents(name, context, limit=1000)
    return {record.id: record for record in page.records}


async def texts(archive: Archive, name: str, id_: str) -> list[str]:
    return [chunk.text for chunk in (await archive.ingesting.document(name, id_, ME)).chunks]


async def test_places_are_read_anew_and_the_rest_is_taken_over(archive: Archive, clock: ScriptedClock) -> None:
    shelf = Shelf("/shelf", {"a.md": "# A\n\nOne.", "gone.md": "# Gone\n\nTwo."})
    await put(archive, "api.md", "# Put\n\nBy hand.", acl=("hr",), author="Ann", tags=("x",))
    await put(archive, "theirs.md", "# Theirs\n\nNot mine.", THEM)
    first = await built(archive, shelf, places=[Place("/shelf")])
    await archive.versions.promote("docs", Promotion(), ME)
    before = await held(archive, "docs")
    del shelf.pages["gone.md"]
    shelf.pages |= {"a.md": "# A\n\nOther words.", "new.md": "# New\n\nFour."}
    clock.advance(60)
    second = await built(archive, shelf)
    assert (first.version.name, second.version.name, second.version.state) == ("docs@2", "docs@3", "ready")
    assert await held(archive, "docs") == before
    after = await held(archive, "docs@3")
    assert set(after) == {"a.md", "api.md", "new.md"}
    assert after["api.md"] == before["api.md"]
    assert set(await held(archive, "docs@3", THEM)) == {"theirs.md"}
    assert await texts(archive, "docs@3", "a.md") == ["# A\n\nOther words."]
    lineage = second.version.lineage
    assert (lineage.built_from, lineage.documents, lineage.created_at) == ("docs@2", 4, clock.epoch_s())
    assert [(origin.tenant, origin.place) for origin in lineage.origins] == [("default", Place("/shelf"))]


async def test_labels_of_a_place_are_said_again(archive: Archive) -> None:
    shelf = Shelf("/shelf", {"a.md": "# A\n\nOne."})
    await put(archive, "x.md", "# X")
    place = Place("/shelf", ("tag",), ("hr",), "Ann")
    await archive.versions.came_from("docs", [Place("/shelf")], ME)
    await archive.versions.came_from("docs", [place], ME)
    rebuilt = await built(archive, shelf)
    record = (await held(archive, rebuilt.version.name))["a.md"]
    assert (record.tags, record.acl, record.author) == (("tag",), ("hr",), "Ann")
    assert [origin.place for origin in rebuilt.version.lineage.origins] == [place]


async def test_another_recipe_makes_every_vector_anew(archive: Archive) -> None:
    await put(archive, "api.md", f"# Long\n\n{LONG}", version="7", acl=("hr",))
    other = Archive(archive.vectors, archive.clock, dimensions=32)
    assert (await built(other)).carried == 1
    old, new = (
        await archive.vectors.embedded("docs", "default", "api.md"),
        await other.vectors.embedded("docs@2", "default", "api.md"),
    )
    assert [each.chunk for each in old] == [each.chunk for each in new]
    assert {len(each.dense) for each in new} == {32}
    was, is_ = (await held(archive, "docs"))["api.md"], (await held(other, "docs@2"))["api.md"]
    assert is_.fingerprint != was.fingerprint
    assert replace(is_, fingerprint="", content="", source_version="") == replace(
        was, fingerprint="", content="", source_version=""
    )
    clean = Archive(MemoryVectors(), archive.clock, dimensions=32)
    await put(clean, "api.md", f"# Long\n\n{LONG}", version="7", acl=("hr",))
    assert await clean.vectors.embedded("docs", "default", "api.md") == new
    assert is_.source_version == (await held(clean, "docs"))["api.md"].source_version


async def test_another_chunker_cuts_the_stored_text(archive: Archive) -> None:
    text = f"# Long\n\n{LONG}"
    await put(archive, "api.md", text, version="7")
    other = Archive(archive.vectors, archive.clock, tokens=24)
    await built(other)
    clean = Archive(MemoryVectors(), archive.clock, tokens=24)
    await put(clean, "api.md", text, version="7")
    assert await texts(other, "docs@2", "api.md") == await texts(clean, "docs", "api.md")
    assert (await held(other, "docs@2"))["api.md"].source_version is None


async def test_stopped_it_goes_on(archive: Archive, clock: ScriptedClock) -> None:
    for number in range(4):
        await put(archive, f"{number}.md", f"# {number}")
    first = await archive.versions.begin("docs", ME)
    calls = archive.embedder.calls
    await archive.versions.carry(first.version.name, ME)
    again = await archive.versions.begin("docs", ME)
    assert again.version.name == first.version.name
    assert (await archive.versions.carry(again.version.name, ME)).written == 0
    assert archive.embedder.calls == calls
    assert (await archive.versions.begin("docs", ME, anew=True)).version.name == "docs@3"
    other = Archive(archive.vectors, clock, dimensions=32)
    assert (await other.versions.begin("docs", ME)).version.name == "docs@4"


async def test_a_call_takes_some_seconds_at_most(archive: Archive, clock: ScriptedClock) -> None:
    for number in range(3):
        await put(archive, f"{number}.md", f"# {number}")
        await put(archive, f"{number}.md", f"# {number}", THEM)
    name = (await archive.versions.begin("docs", ME)).version.name
    carry = archive.building.carrying.carry

    async def slow(*arguments: object) -> None:
        clock.advance(2.0)
        await carry(*arguments)  # type: ignore[arg-type]

    object.__setattr__(archive.building.carrying, "carry", slow)
    parts, after = [], None
    while True:
        part = await archive.versions.carry(name, ME, after=after)
        parts.append((part.done, part.total, part.written))
        after = part.next_after
        if after is None:
            break
    assert parts == [(2, 6, 2), (2, 6, 2), (2, 6, 2), (0, 6, 0)]
    assert len(await held(archive, name)) == len(await held(archive, name, THEM)) == 3


async def test_what_could_not_be_listed_is_not_complete(archive: Archive) -> None:
    rebuilt = await built(archive, Shelf("/shelf", {"a.md": "# A"}, complete=False), places=[Place("/shelf")])
    assert (rebuilt.complete, rebuilt.version.state) == (False, "building")
    with pytest.raises(InvalidRequest) as caught:
        await archive.versions.promote("docs", Promotion(), ME)
    assert caught.value.hint


async def test_nothing_to_build_from(archive: Archive) -> None:
    with pytest.raises(InvalidRequest):
        await built(archive)
    with pytest.raises(UnknownCollection):
        await archive.versions.versions("docs", ME)
    with pytest.raises(InvalidRequest):
        await archive.versions.begin("docs", ME, places=[Place("/x" * 2000)])


async def test_stored_reads_no_place(archive: Archive) -> None:
    await put(archive, "a.md", "# A")
    await archive.versions.came_from("docs", [Place("/shelf")], ME)
    opener = Opener({})
    done = await rebuild(archive.ingesting, "docs", ME, open_places=opener, stored=True)
    assert (opener.asked, set(await held(archive, done.version.name))) == ([], {"a.md"})


GOLDEN = (GoldenQuestion("harbour north", ("north.md",)), GoldenQuestion("ferry south", ("south.md",)))


@pytest.fixture
async def judged(clock: ScriptedClock) -> Archive:
    """`docs@1` answers both golden questions; `docs@2` lacks what the second one needs."""
    archive = Archive(MemoryVectors(), clock, golden=GOLDEN, policy=Policy(GatePolicy(min_documents=0.0)))
    for id_, text in (
        ("north.md", "The harbour north"),
        ("south.md", "The ferry south"),
        ("other.md", "Nothing at all"),
    ):
        await put(archive, id_, text)
    clock.advance(60)
    build = await archive.versions.begin("docs", ME)
    await put(archive, "north.md", "The harbour north", into=build.version.name)
    await put(archive, "more.md", "A tower", into=build.version.name)
    await archive.versions.finish(build.version.name, ME)
    return archive


async def test_the_gate_refuses_and_says_which_questions(judged: Archive) -> None:
    with pytest.raises(PromotionRefused) as caught:
        await judged.versions.promote("docs", Promotion(), ME)
    assert "recall@10 is 0.5000" in caught.value.message
    assert "'ferry south' lacks south.md (found by the serving version)" in caught.value.message
    assert "harbour" not in caught.value.message
    assert await judged.vectors.resolve("docs") == "docs@1"
    gate = (await judged.versions.versions("docs", ME))[1].lineage.gates[-1]
    assert (gate.measure, gate.serving_measure, gate.questions, gate.forced) == (0.5, 1.0, 2, None)
    assert [(miss.question, miss.missing, miss.regressed) for miss in gate.misses] == [
        ("ferry south", ("south.md",), True)
    ]


async def test_forced_with_a_reason(judged: Archive) -> None:
    promoted = await judged.versions.promote("docs", Promotion(force="the ferry was sold"), ME)
    assert (promoted.name, promoted.lineage.gates[-1].forced) == ("docs@2", "the ferry was sold")
    assert await judged.vectors.resolve("docs") == "docs@2"
    assert (await judged.versions.versions("docs", ME))[1].lineage == promoted.lineage


async def test_a_reason_is_not_noted_where_none_was_needed(judged: Archive) -> None:
    promoted = await judged.versions.promote("docs", Promotion(golden=GOLDEN[:1], force="to be sure"), ME)
    assert (promoted.lineage.gates[-1].refusals, promoted.lineage.gates[-1].forced) == ((), None)


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        (GatePolicy(min_documents=0.0, max_drop=0.5), False),
        (GatePolicy(min_documents=0.0, max_drop=0.49), True),
        (GatePolicy(min_documents=0.0, max_drop=1.0, min_measure=0.5), False),
        (GatePolicy(min_documents=0.0, max_drop=1.0, min_measure=0.51), True),
        (GatePolicy(min_documents=0.66, max_drop=1.0), False),
        (GatePolicy(min_documents=0.67, max_drop=1.0), True),
    ],
)
async def test_thresholds(judged: Archive, policy: GatePolicy, refused: bool) -> None:
    judged.policy = Policy(policy)
    if not refused:
        assert (await judged.versions.promote("docs", Promotion(), ME)).state == "serving"
        return
    with pytest.raises(PromotionRefused):
        await judged.versions.promote("docs", Promotion(), ME)


async def test_questions_about_other_documents_let_nothing_pass(judged: Archive) -> None:
    with pytest.raises(PromotionRefused) as caught:
        await judged.versions.promote("docs", Promotion(golden=(GoldenQuestion("harbour", ("typo.md",)),)), ME)
    assert "not one golden question" in caught.value.message


async def test_no_tenant_loses_its_documents(archive: Archive) -> None:
    await put(archive, "a.md", "# A")
    for number in range(10):
        await put(archive, f"{number}.md", f"# {number}", THEM)
    name = (await archive.versions.begin("docs", ME)).version.name
    for number in range(30):
        await put(archive, f"{number}.md", f"# {number}", into=name)
    await archive.versions.finish(name, ME)
    archive.clock.advance(1)  # type: ignore[attr-defined]
    await archive.vectors.change_lineage(name, lambda found: replace(found, created_at=archive.clock.epoch_s()))
    with pytest.raises(PromotionRefused) as caught:
        await archive.versions.promote("docs", Promotion(), ME)
    assert "other would have 0 of 10 documents" in caught.value.message


async def test_no_document_loses_its_access_list(archive: Archive, clock: ScriptedClock) -> None:
    await put(archive, "a.md", "# A", acl=("hr",))
    await put(archive, "b.md", "# B", acl=("hr",))
    clock.advance(60)
    name = (await archive.versions.begin("docs", ME)).version.name
    await put(archive, "a.md", "# A", into=name)
    await put(archive, "b.md", "# B", into=name, acl=("eng",))
    await archive.versions.finish(name, ME)
    with pytest.raises(PromotionRefused) as caught:
        await archive.versions.promote("docs", Promotion(), ME)
    assert "1 documents of default would lose their access list: a.md" in caught.value.message


async def test_what_changed_while_it_was_built_comes_along(archive: Archive, clock: ScriptedClock) -> None:
    for id_ in ("kept.md", "changed.md", "deleted.md"):
        await put(archive, id_, f"# {id_}")
    clock.advance(60)
    rebuilt = await built(archive)
    clock.advance(60)
    await put(archive, "changed.md", "# Changed since")
    await put(archive, "new.md", "# New", position=StreamPosition("news", 0, 4))
    assert await archive.ingesting.delete("docs", "deleted.md", ME) is True
    promoted = await archive.versions.promote("docs", Promotion(), ME)
    assert promoted.name == rebuilt.version.name
    assert set(await held(archive, "docs")) == {"kept.md", "changed.md", "new.md"}
    assert await texts(archive, "docs", "changed.md") == ["# Changed since"]
    # Else a stream would be applied from its beginning again.
    assert await archive.ingesting.positions("docs", "news", [0], ME) == {0: 4}


async def test_a_document_that_is_being_written_when_a_version_is_promoted(archive: Archive) -> None:
    await put(archive, "a.md", "# A")
    rebuilt = await built(archive)

    load = archive.ingesting._loader.load

    async def promoted_meanwhile(document: RawDocument) -> object:
        found = await load(document)
        if await archive.vectors.resolve("docs") == "docs@1":
            await archive.versions.promote("docs", Promotion(), ME)
        return found

    archive.ingesting._loader.load = promoted_meanwhile  # type: ignore[method-assign, assignment]
    await put(archive, "late.md", "# Late")
    assert await archive.vectors.resolve("docs") == rebuilt.version.name
    assert "late.md" in await held(archive, "docs")


async def test_back_and_no_further(archive: Archive, clock: ScriptedClock) -> None:
    await put(archive, "a.md", "# A")
    for number in (2, 3):
        clock.advance(60)
        await built(archive)
        assert (await archive.versions.promote("docs", Promotion(), ME)).name == f"docs@{number}"
    for number in (2, 1):
        assert (await archive.versions.rollback("docs", ME)).name == f"docs@{number}"
        assert await archive.vectors.resolve("docs") == f"docs@{number}"
    with pytest.raises(InvalidRequest) as caught:
        await archive.versions.rollback("docs", ME)
    assert caught.value.hint
    again = await archive.versions.promote("docs", Promotion("docs@3"), ME)
    assert (again.state, again.lineage.retired_at) == ("serving", None)


async def test_nothing_is_taken_back_but_what_was_meant(archive: Archive) -> None:
    await put(archive, "a.md", "# A")
    for _ in range(2):
        await built(archive)
        await archive.versions.promote("docs", Promotion(), ME)
    assert (await archive.versions.rollback("docs", ME, of="docs@3")).name == "docs@2"
    with pytest.raises(VersionConflict, match="docs@3 does not serve any more, docs@2 does"):
        await archive.versions.rollback("docs", ME, of="docs@3")
    assert await archive.vectors.resolve("docs") == "docs@2"


async def test_two_promotions_at_once(archive: Archive) -> None:
    await put(archive, "a.md", "# A")
    await built(archive)
    await built(archive, anew=True)
    first, second = await archive.versions.versions("docs", ME), await archive.versions.versions("docs", ME)
    assert first == second
    serving = first[0]
    await archive.promoting._served(first[1], serving)
    with pytest.raises(VersionConflict):
        await archive.promoting._served(second[2], serving)
    assert await archive.vectors.resolve("docs") == "docs@2"
    assert [each.state for each in await archive.versions.versions("docs", ME)] == ["retired", "serving", "ready"]


@pytest.mark.parametrize("name", ["docs@7", "docs", "nowhere@1", "docs@1@1"])
async def test_a_version_that_is_not_there(archive: Archive, name: str) -> None:
    await put(archive, "a.md", "# A")
    for call in (
        archive.versions.carry(name, ME),
        archive.versions.finish(name, ME),
        archive.versions.drop(name, ME),
        archive.versions.promote("docs", Promotion(name), ME),
    ):
        with pytest.raises(InvalidRequest) as caught:
            await call
        assert caught.value.hint


async def test_what_serves_takes_over_nothing(archive: Archive) -> None:
    await put(archive, "a.md", "# A")
    for call in (
        archive.versions.carry("docs@1", ME),
        archive.versions.finish("docs@1", ME),
        archive.versions.drop("docs@1", ME),
    ):
        with pytest.raises(InvalidRequest):
            await call
    with pytest.raises(InvalidRequest):
        await archive.versions.promote("docs", Promotion("docs@1"), ME)


async def test_old_versions_are_dropped_when_nobody_can_read_them_any_more(
    archive: Archive, clock: ScriptedClock
) -> None:
    archive.policy = Policy(keep_versions=1, keep_retired_s=100.0)
    await put(archive, "a.md", "# A")
    names = []
    for _ in range(4):
        clock.advance(60)
        await built(archive)
        await archive.versions.promote("docs", Promotion(), ME)
        names.append([each.number for each in await archive.versions.versions("docs", ME)])
    assert names == [[1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]


RECIPE = Recipe("e", 1, "s", "c")


def retired(
    number: int, at: float | None, *, serving: bool = False, replaced: str | None = None
) -> tuple[str, Recipe, Lineage]:
    return f"docs@{number}", RECIPE, Lineage(retired_at=at, finished_at=1.0, replaced=replaced if serving else None)


def chosen(keep: int, kept_s: float = 0.0) -> list[str]:
    found: tuple[Version, ...] = told(
        [
            retired(1, 10.0),
            retired(2, 30.0),
            retired(3, 20.0),
            retired(4, None, serving=True, replaced="docs@1"),
            retired(5, None),
        ],
        "docs@4",
    )
    return outlived(found, Policy(keep_versions=keep, keep_retired_s=kept_s), 100.0)


def test_the_way_back_is_kept() -> None:
    assert chosen(3) == []
    assert chosen(2) == []
    assert chosen(1) == ["docs@3"]
    assert chosen(0) == ["docs@1", "docs@3", "docs@2"]
    assert chosen(0, 75.0) == ["docs@1", "docs@3"]


@pytest.mark.parametrize("name", ["docs@1", "a-b_c@999999999"])
def test_versions_by_name(name: str) -> None:
    assert is_version(name)


@pytest.mark.parametrize(
    "name", ["docs", "docs@", "docs@0", "docs@01", "docs@1.0", "Docs@1", "docs@1000000000", "@1", "docs@1\n"]
)
def test_no_versions_by_name(name: str) -> None:
    assert not is_version(name)


async def test_a_process_without_versions_says_so() -> None:
    archive = Archive(MemoryVectors())
    bare = Ingesting(
        archive.ingesting._loader, archive.embedder, archive.ingesting._sparse, archive.vectors, archive.clock
    )
    await bare.versions.came_from("docs", [Place("/x")], ME)
    with pytest.raises(InvalidRequest):
        await bare.versions.promote("docs", Promotion(), ME)


class PromotedMeanwhile(MemoryVectors):
    """The next version serves as soon as one search is done."""

    async def search(self, collection: str, query: VectorQuery) -> SearchHits:
        found = await super().search(collection, query)
        if await self.resolve("docs") == "docs@1":
            await self.serve("docs@2", instead_of="docs@1")
        return found


async def test_a_retrieval_reads_one_version_to_its_end(clock: ScriptedClock) -> None:
    archive = Archive(PromotedMeanwhile(), clock)
    for version in ("docs@1", "docs@2"):
        if version == "docs@2":
            await archive.versions.begin("docs", ME)
        parts = "\n\n".join(f"## Part {part}\n\nThe harbour of {version} opens at {part}." for part in range(4))
        await put(archive, "a.md", parts, into="docs" if version == "docs@1" else version)
    options = RetrievalOptions(collection="docs", top_k=1, neighbours=1, explain=True)
    first, second = [await archive.retrieving.retrieve("harbour opens at 2", options, ME) for _ in range(2)]
    for found, version in ((first, "docs@1"), (second, "docs@2")):
        [passage] = found.passages
        assert found.collection == version
        assert passage.chunk.text.count(version) > 1
        assert {word for word in passage.chunk.text.split() if "@" in word} == {version}
