"""What an ingestor behind a socket must keep of the one it stands for."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from fakes.api import Api
from fakes.live import live
from tandem.adapters.remote.ingestor import remote_ingestor
from tandem.adapters.scripted.ingestor import ScriptedIngestor
from tandem.admission.keys import Key
from tandem.domain import errors
from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument
from tandem.domain.errors import PermissionDenied, TandemError, UnknownDocument
from tandem.domain.syncing import DocumentMark, Failure, StreamPosition
from tandem.ports.ingestor import Ingestor

ME = RequestContext("req-1", groups=("board", "hr", "staff"))
OTHER = RequestContext("req-2", tenant="north")
NOBODY = RequestContext("req-3")
TEXT = "One line.\n\nAnother “ü” 🚢."
DOCUMENT = RawDocument(
    "guide/a.md",
    TEXT.encode(),
    "folder/guide/a.md",
    "text/markdown",
    "A title & more",
    1_700_000_000.25,
    ("x", "ü=&+ y"),
    author="Ann Lee",
    created_at=-1.5,
    language="en",
    path="x/a b.md",
    acl=("staff", "Ø=&+ board"),
)
IDS = [
    "plain",
    "guide/install.md",
    "https://host.example/a/b?c=d&e#f",
    "50% off/ü ñ.txt",
    "a+b c",
    "x" * 512,
    "~/%2e%2e/x",
]
FAILURES: list[TandemError] = [
    errors.DocumentRejected("It is locked.", reason="encrypted", hint="Unlock it."),
    errors.StoreFull("full"),
    errors.StoreMismatch("other recipe", hint="Use another collection."),
    errors.StoreBusy("held"),
    errors.Overloaded("full", retry_after_s=3),
]

StandIn = Callable[[ScriptedIngestor], AbstractAsyncContextManager[Ingestor]]


@asynccontextmanager
async def local(double: ScriptedIngestor) -> AsyncIterator[Ingestor]:
    yield double


@asynccontextmanager
async def remote(double: ScriptedIngestor) -> AsyncIterator[Ingestor]:
    async with live(Api(ingestor=double, trust_tenant=True).app) as url, remote_ingestor(url, timeout_s=10) as ingestor:
        yield ingestor


@pytest.fixture(params=[local, remote])
def standing_for(request: pytest.FixtureRequest) -> StandIn:
    found: StandIn = request.param
    return found


@pytest.fixture
async def ingestor(standing_for: StandIn) -> AsyncIterator[Ingestor]:
    async with standing_for(ScriptedIngestor()) as opened:
        yield opened


async def test_a_document_is_added_kept_replaced_and_deleted(ingestor: Ingestor) -> None:
    added = await ingestor.put("docs", DOCUMENT, ME)
    assert (added.document_id, added.status, added.chunks) == ("guide/a.md", "added", 2)
    assert (await ingestor.put("docs", DOCUMENT, ME)).status == "unchanged"
    stored = await ingestor.document("docs", "guide/a.md", ME)
    assert [TEXT[c.start : c.end] for c in stored.chunks] == [c.text for c in stored.chunks] == TEXT.split("\n\n")
    record = stored.record
    assert (record.title, record.source, record.media_type) == ("A title & more", "folder/guide/a.md", "text/markdown")
    assert (record.tags, record.modified_at, record.characters) == (("x", "ü=&+ y"), 1_700_000_000.25, len(TEXT))
    assert (record.author, record.created_at, record.language) == ("Ann Lee", -1.5, "en")
    assert (record.path, record.acl) == ("x/a b.md", ("staff", "Ø=&+ board"))
    assert (await ingestor.put("docs", replace(DOCUMENT, acl=()), ME)).status == "updated"
    assert (await ingestor.document("docs", "guide/a.md", ME)).record.acl == ()
    assert (await ingestor.put("docs", replace(DOCUMENT, body=b"new"), ME)).status == "updated"
    assert await ingestor.delete("docs", "guide/a.md", ME) is True
    assert await ingestor.delete("docs", "guide/a.md", ME) is False
    with pytest.raises(errors.UnknownDocument):
        await ingestor.document("docs", "guide/a.md", ME)


@pytest.mark.parametrize("document_id", IDS)
async def test_any_id_survives_the_way(ingestor: Ingestor, document_id: str) -> None:
    await ingestor.put("docs", RawDocument(document_id, b"text", "s"), ME)
    assert (await ingestor.document("docs", document_id, ME)).record.id == document_id
    assert [r.id for r in (await ingestor.documents("docs", ME, limit=5)).records] == [document_id]
    assert await ingestor.delete("docs", document_id, ME)


async def test_pages_follow_each_other(ingestor: Ingestor) -> None:
    for name in ("c", "a&b", "b", "d"):
        await ingestor.put("docs", RawDocument(name, b"text", name), ME)
    first = await ingestor.documents("docs", ME, limit=2)
    assert [r.id for r in first.records] == ["a&b", "b"]
    second = await ingestor.documents("docs", ME, limit=2, after=first.next_after)
    assert [r.id for r in second.records] == ["c", "d"]
    assert second.next_after is None
    assert first.records[0] == (await ingestor.document("docs", "a&b", ME)).record


async def test_tenants_do_not_see_each_other(ingestor: Ingestor) -> None:
    await ingestor.put("docs", DOCUMENT, ME)
    with pytest.raises(errors.UnknownDocument):
        await ingestor.document("docs", DOCUMENT.id, OTHER)
    assert (await ingestor.documents("docs", OTHER, limit=5)).records == ()
    [info] = await ingestor.collections(OTHER)
    assert (info.name, info.documents, info.chunks) == ("docs", 0, 0)


async def test_collections_are_listed_and_dropped(ingestor: Ingestor) -> None:
    assert await ingestor.collections(ME) == []
    for name in ("notes", "docs"):
        await ingestor.put(name, DOCUMENT, ME)
    found = await ingestor.collections(ME)
    assert [(i.name, i.documents, i.chunks) for i in found] == [("docs", 1, 2), ("notes", 1, 2)]
    assert found[0].recipe.chunker == "paragraphs"
    await ingestor.drop_collection("notes", ME)
    with pytest.raises(errors.UnknownCollection):
        await ingestor.drop_collection("notes", ME)
    with pytest.raises(errors.UnknownCollection):
        await ingestor.documents("notes", ME, limit=1)


async def test_settling_reaches_the_store(standing_for: StandIn) -> None:
    double = ScriptedIngestor()
    async with standing_for(double) as ingestor:
        await ingestor.put("docs", DOCUMENT, ME)
        await ingestor.settle("docs")
    assert double.settled == ["docs"]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: error.code)
async def test_the_same_error_comes_out(standing_for: StandIn, error: TandemError) -> None:
    async with standing_for(ScriptedIngestor({"guide/a.md": error})) as ingestor:
        with pytest.raises(type(error)) as caught:
            await ingestor.put("docs", DOCUMENT, ME)
    told = caught.value
    assert type(told) is type(error)
    assert (told.message, told.hint) == (error.message, error.hint)
    for more in ("reason", "retry_after_s"):
        assert getattr(told, more, None) == getattr(error, more, None)


async def test_what_a_caller_may_not_see_is_not_there(ingestor: Ingestor) -> None:
    outsider = RequestContext("req-3", groups=("eng",))
    await ingestor.put("docs", replace(DOCUMENT, acl=("hr",)), ME)
    assert (await ingestor.documents("docs", outsider, limit=10)).records == ()
    assert [(each.documents, each.chunks) for each in await ingestor.collections(outsider)] == [(0, 0)]
    with pytest.raises(UnknownDocument) as hidden:
        await ingestor.document("docs", DOCUMENT.id, outsider)
    with pytest.raises(UnknownDocument) as unknown:
        await ingestor.document("docs", "no/such.md", outsider)
    assert hidden.value.message == unknown.value.message.replace("no/such.md", DOCUMENT.id)
    assert await ingestor.delete("docs", DOCUMENT.id, outsider) is False
    for change in ({}, {"body": b"mine now"}, {"acl": ("eng",)}, {"acl": ()}):
        with pytest.raises(PermissionDenied) as refused:
            await ingestor.put("docs", replace(DOCUMENT, **change), outsider)
        assert "hr" not in refused.value.message + (refused.value.hint or "")
    assert (await ingestor.document("docs", DOCUMENT.id, ME)).record.acl == ("hr",)
    everyone = RequestContext("req-4", groups=("*",))
    assert await ingestor.delete("docs", DOCUMENT.id, everyone) is True


async def test_who_is_no_peer_speaks_for_itself() -> None:
    """A person's key at the command line: its own tenant and groups count there, whatever the context says."""
    secret = Key("ann", hashlib.sha256(b"ann").hexdigest(), "acme", groups=("hr",))
    double = ScriptedIngestor()
    async with live(Api(ingestor=double, keys=[secret]).app) as url:
        async with remote_ingestor(url, api_key="ann", timeout_s=10, as_peer=False) as own:
            await own.put("docs", replace(DOCUMENT, acl=("hr",)), RequestContext("cli", groups=("*",)))
            assert len((await own.documents("docs", RequestContext("cli"), limit=10)).records) == 1
        async with remote_ingestor(url, api_key="ann", timeout_s=10) as peer:
            with pytest.raises(errors.UpstreamFailed, match="may not speak for"):
                await peer.documents("docs", RequestContext("r", tenant="acme", groups=("board",)), limit=10)
    assert (await double.documents("docs", RequestContext("r", tenant="acme", groups=("hr",)), limit=10)).records


async def test_marks_and_failures_come_back_as_they_are_there(ingestor: Ingestor) -> None:
    document = replace(DOCUMENT, version='"v 1"', origin="folder:1&2", place="git+https://h/o/r@main#x", acl=())
    await ingestor.put("docs", document, ME)
    assert (await ingestor.marks("docs", ME, limit=10)).marks == (
        DocumentMark("guide/a.md", document.source, 2, "folder:1&2", '"v 1"'),
    )
    with pytest.raises(errors.DocumentRejected):
        await ingestor.put("docs", replace(document, id="empty ü", body=b"", acl=("staff",)), ME)
    unread = Failure("away", "unreachable", "It is away.", "away", 0.0, "s3://b/c")
    await ingestor.note_failure("docs", unread, ME)
    first = await ingestor.failures("docs", ME, limit=1)
    assert first.next_after == "away"
    (noted,) = first.failures
    assert (replace(noted, failed_at=0.0), noted.failed_at > 0) == (unread, True)
    (rejected,) = (await ingestor.failures("docs", ME, limit=5, after="away")).failures
    assert (rejected.document_id, rejected.reason, rejected.place, rejected.acl) == (
        "empty ü", "empty", document.place, ("staff",),
    )  # fmt: skip
    assert [one.document_id for one in (await ingestor.failures("docs", NOBODY, limit=5)).failures] == ["away"]
    assert await ingestor.forget_failure("docs", "away", ME) is True
    assert await ingestor.forget_failure("docs", "away", ME) is False
    with pytest.raises(errors.UnknownCollection):
        await ingestor.failures("none", ME, limit=1)


async def test_an_event_takes_effect_once(ingestor: Ingestor) -> None:
    at = StreamPosition("kafka:a b", 3, 7)
    document = replace(DOCUMENT, position=at, changed_at=1.5)
    assert dict(await ingestor.positions("docs", at.stream, [3], ME)) == {}
    assert (await ingestor.put("docs", document, ME)).status == "added"
    assert dict(await ingestor.positions("docs", at.stream, [2, 3], ME)) == {3: 7}
    assert (await ingestor.put("docs", replace(document, body=b"Old."), ME)).status == "unchanged"
    assert await ingestor.delete("docs", document.id, ME, at) is False
    assert await ingestor.delete("docs", document.id, ME, replace(at, position=8)) is True
    await ingestor.note_failure("docs", Failure("x", "unreadable", "No key.", "x", 0.0), ME, replace(at, position=9))
    assert dict(await ingestor.positions("docs", at.stream, [3], ME)) == {3: 9}
