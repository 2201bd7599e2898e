"""What a keeper of versions behind a socket must keep of the one it stands for."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from fakes.api import Api
from fakes.live import live
from tandem.adapters.remote.ingestor import remote_ingestor
from tandem.adapters.scripted.ingestor import ScriptedIngestor
from tandem.adapters.scripted.versions import ScriptedVersions
from tandem.admission.keys import Key
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    InvalidRequest,
    PermissionDenied,
    PromotionRefused,
    StoreFull,
    UnknownCollection,
    VersionConflict,
)
from tandem.domain.lineage import GoldenQuestion, Miss, Place
from tandem.ports.versions import Left, Promotion, Versions

ME = RequestContext("req-1")
PLACES = (Place("/srv/dócs", ("a tag",), ("hr", "eng"), "Ann"), Place("https://host.example/a?b=c"))
GOLDEN = (GoldenQuestion("When does “the harbour” open?", ("a/ü.md", "b")), GoldenQuestion("Why?", ("c",)))

StandIn = Callable[[ScriptedVersions], AbstractAsyncContextManager[Versions]]


@asynccontextmanager
async def local(double: ScriptedVersions) -> AsyncIterator[Versions]:
    yield double


@asynccontextmanager
async def remote(double: ScriptedVersions) -> AsyncIterator[Versions]:
    api = Api(ingestor=ScriptedIngestor(versions=double), trust_tenant=True)
    async with live(api.app) as url, remote_ingestor(url, timeout_s=10) as ingestor:
        yield ingestor.versions


@pytest.fixture(params=[local, remote])
def standing_for(request: pytest.FixtureRequest) -> StandIn:
    found: StandIn = request.param
    return found


@pytest.fixture
def double() -> ScriptedVersions:
    return ScriptedVersions()


@pytest.fixture
async def versions(standing_for: StandIn, double: ScriptedVersions) -> AsyncIterator[Versions]:
    async with standing_for(double) as opened:
        yield opened


async def built(versions: Versions, *, anew: bool = False) -> str:
    name = (await versions.begin("docs", ME, places=PLACES, anew=anew)).version.name
    await versions.finish(name, ME)
    return name


async def test_a_version_is_begun_filled_and_finished(versions: Versions, double: ScriptedVersions) -> None:
    with pytest.raises(UnknownCollection):
        await versions.versions("docs", ME)
    build = await versions.begin("docs", ME, places=PLACES)
    assert (build.version.name, build.version.state, build.places) == ("docs@1", "building", PLACES)
    assert (await versions.begin("docs", ME, places=PLACES)).version.name == "docs@1"
    assert (await versions.begin("docs", ME, places=PLACES, anew=True)).version.name == "docs@2"
    left = Left(("folder:3f",), ("docs/ü/",))
    carried = await versions.carry("docs@1", ME, left=left)
    assert (carried.done, carried.total, carried.written, carried.next_after) == (1, 2, 1, "default\nfirst ü")
    assert (await versions.carry("docs@1", ME, left=left, after=carried.next_after)).next_after is None
    assert double.carries == [("docs@1", left, None), ("docs@1", left, "default\nfirst ü")]
    finished = await versions.finish("docs@1", ME)
    assert (finished.state, finished.lineage.documents, finished.lineage.chunks) == ("ready", 2, 5)
    listed = await versions.versions("docs", ME)
    assert [(each.name, each.state, each.documents, each.chunks) for each in listed] == [
        ("docs@1", "ready", 2, 5),
        ("docs@2", "building", 0, 0),
    ]
    assert [origin.place for origin in (await versions.versions("docs@1", ME))[0].lineage.origins] == list(PLACES)


async def test_promoted_and_rolled_back(versions: Versions, double: ScriptedVersions) -> None:
    one = await built(versions)
    assert (await versions.promote("docs", Promotion(), ME)).state == "serving"
    two = await built(versions)
    promoted = await versions.promote("docs", Promotion(two, GOLDEN, "it must be"), ME)
    assert double.wishes == [Promotion(), Promotion(two, GOLDEN, "it must be")]
    assert (promoted.name, promoted.state, promoted.lineage.replaced) == (two, "serving", one)
    [gate] = promoted.lineage.gates
    assert (gate.forced, gate.misses[0]) == ("it must be", Miss(GOLDEN[0].question, GOLDEN[0].document_ids))
    with pytest.raises(VersionConflict):
        await versions.rollback("docs", ME, of=one)
    assert (await versions.rollback("docs", ME, of=two)).name == one
    with pytest.raises(InvalidRequest):
        await versions.drop(one, ME)
    await versions.drop(two, ME)
    assert [each.name for each in await versions.versions("docs", ME)] == [one]
    with pytest.raises(UnknownCollection):
        await versions.drop(two, ME)


async def test_a_refusal_comes_out_and_is_kept(versions: Versions) -> None:
    name = await built(versions)
    with pytest.raises(PromotionRefused) as caught:
        await versions.promote("docs", Promotion(golden=GOLDEN), ME)
    assert caught.value.hint
    [version] = await versions.versions("docs", ME)
    assert version.name == name
    assert [miss.question for miss in version.lineage.gates[-1].misses] == [each.question for each in GOLDEN]


async def test_no_questions_are_not_the_configured_ones(versions: Versions, double: ScriptedVersions) -> None:
    await built(versions)
    await versions.promote("docs", Promotion(golden=()), ME)
    assert double.wishes == [Promotion(golden=())]


async def test_places_are_noted(versions: Versions) -> None:
    await built(versions)
    await versions.promote("docs", Promotion(), ME)
    await versions.came_from("docs", PLACES[1:], ME)
    [version] = await versions.versions("docs", ME)
    assert [(origin.tenant, origin.place) for origin in version.lineage.origins] == [("default", PLACES[1])]


@pytest.mark.parametrize("error", [VersionConflict("too late", hint="Look."), StoreFull("full", hint="Free some.")])
async def test_the_same_error_comes_out(standing_for: StandIn, error: VersionConflict | StoreFull) -> None:
    async with standing_for(ScriptedVersions(error)) as versions:
        await built(versions)
        with pytest.raises(type(error)) as caught:
            await versions.promote("docs", Promotion(), ME)
    assert (caught.value.message, caught.value.hint) == (error.message, error.hint)


async def test_only_an_admin_touches_what_is_everybodys() -> None:
    key = Key("someone", "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b")
    double = ScriptedVersions()
    await built(double)
    api = Api(ingestor=ScriptedIngestor(versions=double), keys=[key])
    async with live(api.app) as url, remote_ingestor(url, api_key="secret", timeout_s=10) as ingestor:
        kept = ingestor.versions
        for call in (
            kept.versions("docs", ME),
            kept.begin("docs", ME),
            kept.carry("docs@1", ME),
            kept.finish("docs@1", ME),
            kept.promote("docs", Promotion(), ME),
            kept.rollback("docs", ME),
            kept.drop("docs@1", ME),
        ):
            with pytest.raises(PermissionDenied):
                await call
    assert double.wishes == []
